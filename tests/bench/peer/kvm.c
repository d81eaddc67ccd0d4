// SPDX-License-Identifier: Apache-2.0
/*
 * First process of a Linux that runs the bench guest under KVM, to compare with: loads the modules named on the
 * kernel's command line (/NAME.ko, in the order given), makes a machine of two vCPUs with KVM's own interrupt
 * controllers, runs /guest.elf in long mode on an identity map, and powers off.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMORY (16u << 20)
#define TABLES 0x1000u /* PML4, PDPT, 4 page directories */
#define GDT 0x7000u
#define PORT_UART 0x3f8
#define PORT_SLEEP_CONTROL 0x600
#define CPUS 2

static int kvm, vm;
static uint8_t *memory;
static uint64_t entry;

static void fail(const char *what)
{
    perror(what);
    sleep(1);
    reboot(RB_POWER_OFF);
}

static int ask(int file, unsigned long request, const void *argument, const char *what)
{
    int answer = ioctl(file, request, argument);

    if (answer < 0)
        fail(what);
    return answer;
}

static void load_modules(int count, char **names)
{
    for (int i = 1; i < count; i++) {
        int file = open(names[i], O_RDONLY);

        if (strncmp(names[i], "/", 1) || file < 0)
            continue;
        if (syscall(SYS_finit_module, file, "", 0) < 0)
            perror(names[i]);
        close(file);
    }
}

static void load_guest(void)
{
    static uint8_t file[1 << 20];
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)file;
    const Elf64_Phdr *program;
    int input = open("/guest.elf", O_RDONLY);

    if (input < 0 || read(input, file, sizeof file) <= 0)
        fail("/guest.elf");
    program = (const Elf64_Phdr *)(file + header->e_phoff);
    for (int i = 0; i < header->e_phnum; i++)
        if (program[i].p_type == PT_LOAD)
            memcpy(memory + program[i].p_paddr, file + program[i].p_offset, program[i].p_filesz);
    entry = header->e_entry;
}

static void make_tables(void)
{
    uint64_t *pml4 = (uint64_t *)(memory + TABLES), *pdpt = pml4 + 512, *directory = pdpt + 512;
    static const uint64_t gdt[4] = {0, 0, 0x00af9a000000ffff, 0x00cf92000000ffff};

    pml4[0] = (TABLES + 0x1000) | 3;
    for (uint64_t i = 0; i < 4; i++)
        pdpt[i] = (TABLES + 0x2000 + i * 0x1000) | 3;
    for (uint64_t i = 0; i < 4 * 512; i++)
        directory[i] = i << 21 | 0x83;
    memcpy(memory + GDT, gdt, sizeof gdt);
}

static void set_cpuid(int vcpu)
{
    struct kvm_cpuid2 *cpuid = calloc(1, sizeof *cpuid + 256 * sizeof cpuid->entries[0]);

    cpuid->nent = 256;
    ask(kvm, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
    for (uint32_t i = 0; i < cpuid->nent; i++)
        if (cpuid->entries[i].function == 1)
            cpuid->entries[i].ecx |= 1u << 21 | 1u << 24; /* x2APIC, TSC deadline */
    ask(vcpu, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
}

static void set_start(int vcpu)
{
    struct kvm_segment code = {.limit = 0xffffffff, .selector = 0x10, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = {.limit = 0xffffffff, .selector = 0x18, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
    struct kvm_regs registers = {.rip = entry, .rflags = 2};
    struct kvm_sregs system;

    ask(vcpu, KVM_GET_SREGS, &system, "KVM_GET_SREGS");
    system.cs = code;
    system.ds = system.es = system.ss = data;
    system.gdt.base = GDT;
    system.gdt.limit = 31;
    system.cr0 = 0x80000033;
    system.cr3 = TABLES;
    system.cr4 = 0x20;
    system.efer = 0x500;
    ask(vcpu, KVM_SET_SREGS, &system, "KVM_SET_SREGS");
    ask(vcpu, KVM_SET_REGS, &registers, "KVM_SET_REGS");
}

static void port(struct kvm_run *run)
{
    uint8_t *data = (uint8_t *)run + run->io.data_offset;

    if (run->io.direction == KVM_EXIT_IO_IN)
        memset(data, run->io.port == PORT_UART + 5 ? 0x60 : 0xff, run->io.size);
    else if (run->io.port == PORT_UART)
        putchar(*data);
    else if (run->io.port == PORT_SLEEP_CONTROL) {
        fflush(stdout);
        reboot(RB_POWER_OFF);
    }
}

static void *run_vcpu(void *argument)
{
    uintptr_t index = (uintptr_t)argument;
    int vcpu = ask(vm, KVM_CREATE_VCPU, (void *)index, "KVM_CREATE_VCPU");
    int size = ask(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
    struct kvm_run *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(index, &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    set_cpuid(vcpu);
    if (index == 0) {
        sleep(1); /* until the other one waits for its start */
        set_start(vcpu);
    }
    for (;;) {
        if (ioctl(vcpu, KVM_RUN, NULL) < 0)
            continue;
        if (run->exit_reason == KVM_EXIT_IO)
            port(run);
        else if (run->exit_reason == KVM_EXIT_MMIO)
            memset(run->mmio.data, 0, sizeof run->mmio.data);
        else {
            printf("BENCH FAIL: KVM exit %u\n", run->exit_reason);
            fail("run");
        }
    }
    return NULL;
}

int main(int count, char **words)
{
    struct kvm_userspace_memory_region region = {.memory_size = MEMORY};
    pthread_t other;

    mkdir("/dev", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    load_modules(count, words);
    kvm = open("/dev/kvm", O_RDWR);
    if (kvm < 0)
        fail("/dev/kvm");
    vm = ask(kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
    ask(vm, KVM_SET_TSS_ADDR, (void *)0xfffbd000, "KVM_SET_TSS_ADDR");
    ask(vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
    memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    region.userspace_addr = (uintptr_t)memory;
    ask(vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
    load_guest();
    make_tables();
    pthread_create(&other, NULL, run_vcpu, (void *)1);
    run_vcpu(NULL);
}
