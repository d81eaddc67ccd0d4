/* SPDX-License-Identifier: Apache-2.0 */
/* From the first map to main(). */
#include "frame.h"
#include <lib/native.h>
#include <lib/tree.h>

int main(void);
_Noreturn void native_start(const void *tree);

_Noreturn void native_start(const void *tree)
{
    __asm__ volatile("msr daifclr, #4"); /* SErrors are crashes, not silence */
    if (!tree_init(tree))
        panic("no device tree at %p", tree);
    console_init();
    mmu_init();
    gic_init();
    timer_init();
    main();
    panic("main() returned");
}
