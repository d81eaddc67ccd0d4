/* SPDX-License-Identifier: Apache-2.0 */
/* System registers and instructions of a guest that trap. What is not known here is undefined for the guest. */
#include <arch/sysreg.h>

#include "exit.h"
#include "vgic.h"
#include <arch/id.h>

/* The register's place in ESR_EL2.ISS: op0 [21:20], op2 [19:17], op1 [16:14], CRn [13:10], CRm [4:1]. */
#define REGISTER(op0, op1, crn, crm, op2) ((op0) << 20 | (op2) << 17 | (op1) << 14 | (crn) << 10 | (crm) << 1)
#define REGISTER_MASK REGISTER(3u, 7u, 15u, 15u, 7u)
#define ID_GROUP REGISTER(3u, 0u, 0u, 0u, 0u) /* with any CRm and op2: HCR_EL2.TID3 */
#define ID_GROUP_MASK REGISTER(3u, 7u, 15u, 0u, 0u)
#define DEBUG_GROUP REGISTER(2u, 0u, 0u, 0u, 0u) /* breakpoints, watchpoints, OS lock: MDCR_EL2 */
#define DEBUG_GROUP_MASK REGISTER(3u, 0u, 0u, 0u, 0u)

void sysreg_trap(struct vcpu *vcpu, uint64_t esr)
{
    uint32_t number = (uint32_t)esr & REGISTER_MASK, target = esr >> 5 & 31;
    bool read = esr & 1;
    uint64_t value = 0;

    if (number == REGISTER(3, 0, 12, 11, 5) && !read) { /* ICC_SGI1R_EL1 */
        count_exit(vcpu, EXIT_SGI);
        sysreg_write(elr_el2, sysreg_read(elr_el2) + 4);
        return vgic_sgi_register(vcpu, target == 31 ? 0 : vcpu->arch.x[target]);
    }
    switch (number) {
    case REGISTER(3, 0, 12, 11, 6): /* ICC_ASGI1R_EL1: the other security state, which there is not */
    case REGISTER(3, 0, 12, 11, 7): /* ICC_SGI0R_EL1: group 0, likewise */
        if (read)
            return inject_undefined(vcpu);
        count_exit(vcpu, EXIT_SYSREG);
        break;
    case REGISTER(1, 0, 7, 6, 2):  /* DC ISW; by set and way: done by HCR_EL2.SWIO where it does not trap */
    case REGISTER(1, 0, 7, 10, 2): /* DC CSW */
    case REGISTER(1, 0, 7, 14, 2): /* DC CISW */
    case REGISTER(3, 0, 1, 0, 1):  /* ACTLR_EL1: reads zero, ignores writes */
        count_exit(vcpu, EXIT_SYSREG);
        break;
    default:
        if ((number & ID_GROUP_MASK) == ID_GROUP && read)
            value = id_register(number >> 1 & 15, number >> 17 & 7);
        else if ((number & DEBUG_GROUP_MASK) != DEBUG_GROUP) /* that reads zero and ignores writes */
            return inject_undefined(vcpu);
        count_exit(vcpu, EXIT_SYSREG);
    }
    if (read && target != 31)
        vcpu->arch.x[target] = value;
    sysreg_write(elr_el2, sysreg_read(elr_el2) + 4);
}
