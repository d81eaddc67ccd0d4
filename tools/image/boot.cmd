# SPDX-License-Identifier: Apache-2.0
# For U-Boot: starts the slot that is next, or the other one where that is damaged. U-Boot says where this script was found.
# The header of a container says how much there is to read. (No apostrophes: the parser takes them for quotes.)
setenv slots "a b"
if ab_select slot ${devtype} ${devnum}#state; then
    if test "${slot}" = b; then setenv slots "b a"; fi
else
    echo "Bulkhead: the record of slots cannot be used; trying slot a, then slot b"
fi
for slot in ${slots}; do
    echo "Bulkhead: slot ${slot}"
    if part start ${devtype} ${devnum} boot-${slot} first; then
        if ${devtype} read ${ramdisk_addr_r} ${first} 1 && fdt addr ${ramdisk_addr_r} && fdt header get bytes totalsize; then
            setexpr count ${bytes} + 0x1ff
            setexpr count ${count} / 0x200
            ${devtype} read ${ramdisk_addr_r} ${first} ${count}
            bootm ${ramdisk_addr_r}#bulkhead ${ramdisk_addr_r}#bulkhead ${fdtcontroladdr}
        fi
    fi
    echo "Bulkhead: slot ${slot} does not boot"
done
