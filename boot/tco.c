// SPDX-License-Identifier: Apache-2.0
/* The TCO timer of Intel's ICH9, on the LPC bridge 00:1f.0 (datasheet, 13.1, 13.9 and 10.1.76). */
#include <boot/watchdog.h>
#include <devices/watchdog/tco.h>
#include <stddef.h>

#ifdef CONFIG_HARDWARE_WATCHDOG
#define SECONDS CONFIG_HARDWARE_WATCHDOG_START_SECONDS
#else
#define SECONDS 0
#endif

#define CONFIG_ADDRESS 0xcf8u
#define CONFIG_DATA 0xcfcu
#define LPC 0x8000f800u /* 00:1f.0 */
#define LPC_ID 0x00u
#define ICH9 0x29108086u /* 2910 to 291f */
#define LPC_PMBASE 0x40u
#define PMBASE_TCO 0x60u
#define TCO_PORT 0x660u /* board/q35/devices.txt: what the management domain has */
#define LPC_RCBA 0xf0u
#define RCBA_ENABLE 1u
#define RCBA_USUAL 0xfed1c000u
#define RCBA_GCS 0x3410u
#define GCS_NO_REBOOT 0x20u

static uint32_t lpc_read(uint32_t offset)
{
    uint32_t value;

    __asm__ volatile("outl %0, %1" ::"a"(LPC | offset), "Nd"((uint16_t)CONFIG_ADDRESS));
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"((uint16_t)CONFIG_DATA));
    return value;
}

static void lpc_write(uint32_t offset, uint32_t value)
{
    __asm__ volatile("outl %0, %1" ::"a"(LPC | offset), "Nd"((uint16_t)CONFIG_ADDRESS));
    __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"((uint16_t)CONFIG_DATA));
}

static uint16_t tco_read(uint16_t offset)
{
    uint16_t value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"((uint16_t)(TCO_PORT + offset)));
    return value;
}

static void tco_write(uint16_t offset, uint16_t value)
{
    __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"((uint16_t)(TCO_PORT + offset)));
}

/* General control and status; NULL: the chipset's registers have no place. */
static volatile uint32_t *find_gcs(bool bare)
{
    if (bare && !(lpc_read(LPC_RCBA) & RCBA_ENABLE))
        lpc_write(LPC_RCBA, RCBA_USUAL | RCBA_ENABLE);
    if (!(lpc_read(LPC_RCBA) & RCBA_ENABLE))
        return NULL;
    return (volatile uint32_t *)(uintptr_t)((lpc_read(LPC_RCBA) & ~0x3fffu) + RCBA_GCS);
}

void start_watchdog(bool bare)
{
    volatile uint32_t *gcs;

    if (SECONDS == 0 || (lpc_read(LPC_ID) & 0xfff0ffffu) != ICH9 ||
        (lpc_read(LPC_PMBASE) & 0xff80u) + PMBASE_TCO != TCO_PORT)
        return;
    gcs = find_gcs(bare);
    if (gcs == NULL) {
        say("Bulkhead: no hardware watchdog: the firmware gives the chipset's registers no place (RCBA)\r\n");
        return;
    }
    *gcs &= ~GCS_NO_REBOOT;
    if (*gcs & GCS_NO_REBOOT) {
        say("Bulkhead: the hardware watchdog cannot reset this machine (strap SPKR)\r\n");
        return;
    }
    tco_write(TCO_TMR, tco_ticks(SECONDS));
    tco_write(TCO_RLD, 1);
    tco_write(TCO1_STS, TCO1_EXPIRED);
    tco_write(TCO1_CNT, tco_read(TCO1_CNT) & (uint16_t)~TCO_HALTED);
}
