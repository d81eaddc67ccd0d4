/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the management domain does with its channels: const tables that tools/resolver writes from .config
 * (DIR/generated/management.c) and the management domain is linked with.
 */
#ifndef BULKHEAD_MANAGEMENT_H
#define BULKHEAD_MANAGEMENT_H

#include <bulkhead/limits.h>
#include <stdbool.h>
#include <stdint.h>

enum switch_kind {
    SWITCH_PRIVATE = 0,  /* guests only */
    SWITCH_INTERNAL = 1, /* guests and a port of the management domain */
    SWITCH_EXTERNAL = 2, /* guests, a port of the management domain, and an uplink NIC */
};

struct switch_config {
    char name[BULKHEAD_NAME_MAX];
    uint8_t kind;          /* enum switch_kind */
    uint8_t uplink;        /* SWITCH_EXTERNAL: index of the NIC in discovery order, else 0xff */
    uint16_t mgmt_vlan;    /* access VLAN of the management domain's port; 0: untagged */
    bool mgmt_port;        /* whether the management domain has a port here */
    bool mgmt_dhcp;        /* its address by DHCP, else the three below */
    uint32_t mgmt_address; /* IPv4, host byte order; 0: none */
    uint32_t mgmt_netmask;
    uint32_t mgmt_gateway;
    uint8_t mgmt_mac[6];
};

enum port_mode {
    PORT_ACCESS = 0, /* untagged frames of one VLAN (0: the switch's untagged traffic) */
    PORT_TRUNK = 1,  /* tagged frames of the allowed VLANs; untagged ones belong to `vlan` (native) */
};

struct vlan_range {
    uint16_t first, last; /* 1..4094, inclusive */
};

struct port_config {
    uint8_t channel;   /* index into channels[] of partition.h */
    uint8_t switch_id; /* index into switches[] */
    uint8_t mode;      /* enum port_mode */
    uint16_t vlan;
    const struct vlan_range *allowed; /* trunk: terminated by {0, 0} */
    uint8_t mac[6];
};

enum disk_source {
    DISK_WHOLE = 0,  /* the physical disk */
    DISK_GPT = 1,    /* the GPT partition with this name */
    DISK_REGION = 2, /* `size` bytes at `offset` of the GPT partition with this name: a file laid out in advance */
};

struct disk_config {
    uint8_t channel;
    uint8_t device;    /* physical disk, in discovery order */
    uint8_t source;    /* enum disk_source */
    bool read_only;
    const char *label; /* GPT partition name, or "" */
    uint64_t offset;   /* bytes, multiple of 4096 */
    uint64_t size;     /* bytes, multiple of 4096; 0: up to the end */
    char serial[20];   /* virtio-blk identification string */
};

enum policy_action {
    POLICY_RESTART = 0,
    POLICY_STOP = 1,            /* stays stopped, reported */
    POLICY_RESET_APPLIANCE = 2,
};

struct policy_config { /* one a partition, in partition order */
    uint8_t action;        /* enum policy_action: what follows a crash or a guest reset */
    bool critical;         /* reported loudly */
    uint16_t limit;        /* restarts allowed within window_s; then give up */
    uint32_t window_s;
    uint32_t backoff_ms;   /* before the first restart; doubles with each up to backoff_max_ms */
    uint32_t backoff_max_ms;
};

extern const struct switch_config switches[];
extern const uint32_t switch_count;
extern const struct port_config ports[];
extern const uint32_t port_count;
extern const struct disk_config disks[];
extern const uint32_t disk_count;
extern const struct policy_config policies[]; /* partition_count of them */
/* The management domain is linked with partitions.c as well, so partition.h's tables are there too. */
extern const uint16_t console_tls_port; /* 992 */
extern const char hostname[];
extern const char board_name[]; /* "x86 q35": what updates have to be made for */
extern const uint32_t trial_s;  /* from the first guest on: until then a trial boot has to be healthy */
extern const uint32_t trial_settle_s; /* how long critical partitions have to have run */
extern const uint32_t watchdog_s;     /* the hardware watchdog resets the machine this long after it was fed last; 0: unused */
/* TLS material, PEM with its NUL; empty (size 1) where the configuration names none. */
extern const unsigned char tls_server_certificate[], tls_server_key[], tls_client_ca[];
extern const uint32_t tls_server_certificate_size, tls_server_key_size, tls_client_ca_size;
extern const bool tls_development_certificates; /* made by the build: said at every boot */

#endif
