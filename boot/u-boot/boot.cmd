# SPDX-License-Identifier: Apache-2.0
# The only thing that our U-Boot does: it starts the slot that is next, or the other one where that is damaged. It is built in
# (CONFIG_BOOTCOMMAND), after the board's settings (board/NAME/u-boot.cmd), and its own device tree asks for the secure mode, in
# which no key interrupts it. Everything that comes from the disk is bounded before it is read: sizes by slot_max. Numbers are
# hexadecimal. Lines are joined as they stand, so each is a whole command. (No apostrophes but around values.)
fdt addr ${fdtcontroladdr}
if fdt get value danger /config bulkhead,danger; then echo "${danger}"; fi

# A button that is held asks for a factory reset: what its GPIO's register shows (docs/image.md). The management domain is told by
# what Android's boot loaders leave at the first byte of "state".
setenv wipe
if fdt get value button /config bulkhead,button-register && fdt get value mask /config bulkhead,button-mask && fdt get value pressed /config bulkhead,button-pressed && setexpr.l held *${button} "&" ${mask} && test 0x${held} -eq 0x${pressed}; then setenv wipe yes; fi
setenv note_wipe 'if bcb load ${devtype} ${disk} state && bcb set command boot-recovery && bcb set recovery recovery:--wipe_data && bcb store; then setenv wipe; echo "Bulkhead: factory reset, since the button is held"; fi'

# The slot as it stands: a FIT, whose header says how long it is, and the SHA-256 of all of it behind it.
setenv read_slot 'part start ${devtype} ${disk} boot-${slot} first && part size ${devtype} ${disk} boot-${slot} room && ${devtype} read ${slot_at} ${first} 1 && fdt addr ${slot_at} && fdt header get bytes totalsize && test 0x${bytes} -le 0x${slot_max} && setexpr sum ${slot_at} + ${bytes} && setexpr blocks ${bytes} + 21f && setexpr blocks ${blocks} / 200 && test 0x${blocks} -le 0x${room} && ${devtype} read ${slot_at} ${first} ${blocks}'
# Measured boot (docs/attestation.md), of a slot that bootm has checked, before it is started: the SHA-256 of its kernel, into PCR 8 where
# the board has a TPM (${find_tpm}), and that of its bundle up to the signature, the last 112 bytes of the tree, into PCR 9. What stands
# between U-Boot and the kernel (${starter}, of x86-64) goes into PCR 4. A TPM tests itself as it is used; a full test before would take its time.
setenv find_image 'fdt addr -q ${slot_at} && fdt get addr at /images/${image} data && fdt get size count /images/${image} data'
setenv measure 'setenv kernel_sha256; setenv starter_sha256; setexpr digest ${sum} + 40; setenv image kernel; run find_image && hash sha256 ${at} ${count} kernel_sha256; if test -n "${starter}"; then setenv image ${starter}; run find_image && hash sha256 ${at} ${count} starter_sha256; fi; if test -n "${find_tpm}" && run find_tpm; then tpm2 init; if tpm2 startup TPM2_SU_CLEAR && run extend; then echo "Bulkhead: measured"; else echo "Bulkhead: the TPM does not take measurements"; fi; fi'
setenv extend_image 'run find_image && hash sha256 ${at} ${count} *${digest} && tpm2 pcr_extend ${pcr} 0x${digest}'
setenv extend_bundle 'setenv image bundle; run find_image && fdt addr -q ${at} && fdt header get total totalsize && test 0x${total} -le 0x${count} && test 0x${total} -gt 0x70 && setexpr total ${total} - 70 && hash sha256 ${at} ${total} *${digest} && tpm2 pcr_extend 9 0x${digest}'
setenv extend 'setenv image ${starter}; setenv pcr 4; if test -z "${starter}" || run extend_image; then setenv image kernel; setenv pcr 8; run extend_image && run extend_bundle; else false; fi'
# What bootm adds to the device tree for the kernel: which slot it is, and what was measured of it. (x86-64 has no tree: ${tell}.)
setenv fdt_fixup 'fdt set /chosen bulkhead,slot ${slot}; fdt set /chosen bulkhead,kernel-sha256 "${kernel_sha256}"'
# `bootm start` checks the signature, and with it each image; the rest of it comes back only if the slot cannot be started.
setenv try_slot 'echo "Bulkhead: slot ${slot}"; if run read_slot; then if hash -v sha256 ${slot_at} ${bytes} *${sum}; then if bootm start ${slot_at}#bulkhead ${slot_at}#bulkhead ${tree}; then run measure; if test -n "${tell}"; then run tell; fi; bootm loados && bootm ramdisk && bootm prep && bootm go; fi; else iminfo ${slot_at}; fi; echo "Bulkhead: slot ${slot} is damaged, or its signature is not of the key of this U-Boot"; else echo "Bulkhead: slot ${slot} holds no kernel"; fi'

# ab_select takes a try from a slot that is not confirmed, stable on the disk, before it is started.
setenv try_disk 'if test -n "${wipe}"; then run note_wipe; fi; setenv tried; setenv tried_too; if bcb ab_select slot ${devtype} ${disk}#state; then setenv tried ${slot}; run try_slot; if bcb ab_select slot ${devtype} ${disk}#state; then if test ${slot} != ${tried}; then setenv tried_too ${slot}; run try_slot; fi; fi; else echo "Bulkhead: the record of slots cannot be used, or has no slot that boots"; fi; for other in a b; do if test ${other} != "${tried}" && test ${other} != "${tried_too}"; then setenv slot ${other}; run try_slot; fi; done'

if test -z "${devtypes}"; then setenv devtypes ${devtype}; fi
for kind in ${devtypes}; do setenv devtype ${kind}; for unit in ${disks}; do if ${devtype} dev ${unit} && part number ${devtype} ${unit} state number; then setenv disk ${unit}; run try_disk; fi; done; done
echo "Bulkhead: no slot boots; once more in 10 seconds"
sleep 10
reset
