/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts and their handlers, whichever GIC there is. */
#include "gic.h"

#define HANDLERS 64u
#define PRIORITY 0xa0u

static uint32_t interrupts;
static uint8_t handler_of[INTERRUPTS]; /* index into handlers, 0: none */
static struct interrupt_handler *handlers[HANDLERS];
static uint32_t handler_count = 1;

void gic_found(uint64_t distributor)
{
    interrupts = ((mmio_read32(distributor + GIC_TYPER) & 31) + 1) * 32;
    if (interrupts > INTERRUPTS)
        interrupts = INTERRUPTS;
}

bool interrupt_register(uint32_t id, bool level, struct interrupt_handler *handler)
{
    uint64_t frame = gic_frame(id);
    uint64_t priority = frame + GIC_PRIORITY + id / 4 * 4, config = frame + GIC_CONFIG + id / 16 * 4;
    uint32_t bit = 1u << id % 32, byte = id % 4 * 8, edge = 2u << id % 16 * 2;
    bool enabled;

    if (id < 16 || id >= interrupts || handler_count == HANDLERS || handler_of[id])
        return false;
    enabled = interrupt_mask();
    handler->id = id;
    handlers[handler_count] = handler;
    handler_of[id] = (uint8_t)handler_count++;
    mmio_write32(frame + GIC_CLEAR_ENABLE + id / 32 * 4, bit);
    mmio_write32(priority, (mmio_read32(priority) & ~(0xffu << byte)) | PRIORITY << byte);
    if (id >= 32) {
        mmio_write32(config, level ? mmio_read32(config) & ~edge : mmio_read32(config) | edge);
        gic_route(id);
    }
    mmio_write32(frame + GIC_SET_ENABLE + id / 32 * 4, bit);
    interrupt_restore(enabled);
    return true;
}

INTERRUPT_CONTEXT void gic_handle(uint64_t id)
{
    if (handler_of[id])
        interrupt_handle(handlers[handler_of[id]]);
}

INTERRUPT_CONTEXT bool interrupt_enable(uint32_t id, bool enabled)
{
    if (id >= INTERRUPTS || !handler_of[id])
        return false;
    mmio_write32(gic_frame(id) + (enabled ? GIC_SET_ENABLE : GIC_CLEAR_ENABLE) + id / 32 * 4, 1u << id % 32);
    return true;
}
