/* SPDX-License-Identifier: Apache-2.0 */
/* From the first map to main(). */
#include "frame.h"
#include <lib/tree.h>

int main(void);
_Noreturn void native_start(const void *tree);

_Noreturn void native_start(const void *tree)
{
    if (!tree_init(tree))
        panic("no device tree at %p", tree);
    console_init();
    mmu_init();
    apic_init();
    timer_init();
    main();
    panic("main() returned");
}
