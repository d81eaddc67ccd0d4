/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader uses of the UEFI Specification 2.10. */
#ifndef BOOT_EFI_EFI_H
#define BOOT_EFI_EFI_H

#include <abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint16_t char16_t;
typedef uint64_t efi_status;
#define EFI_ERROR (1ull << 63)
#define EFI_LOAD_ERROR (EFI_ERROR | 1)
#define EFI_NOT_FOUND (EFI_ERROR | 14)
#define EFI_ACCESS_DENIED (EFI_ERROR | 15)
#define EFI_SECURITY_VIOLATION (EFI_ERROR | 26)
#define EFI_ANY_PAGES 0
#define EFI_LOADER_CODE 1 /* types of memory */
#define EFI_LOADER_DATA 2
#define EFI_BOOT_SERVICES_DATA 4
#define EFI_CONVENTIONAL_MEMORY 7
#define EFI_MEMORY_IO 11
#define EFI_NATIVE_INTERFACE 0

struct efi_guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};

struct efi_device_path {
    uint8_t type, subtype, length[2];
};
#define EFI_PATH_MEDIA 4
#define EFI_PATH_MEDIA_PARTITION 1
#define EFI_PATH_END 0x7f

struct efi_block_media {
    uint32_t id;
    bool removable, present, partition, read_only, caching;
    uint32_t block_size, alignment;
    uint64_t last_block;
};
struct efi_block_io {
    uint64_t revision;
    struct efi_block_media *media;
    void *reset;
    EFI efi_status (*read)(struct efi_block_io *, uint32_t media, uint64_t block, uint64_t size, void *buffer);
    EFI efi_status (*write)(struct efi_block_io *, uint32_t media, uint64_t block, uint64_t size, const void *buffer);
    EFI efi_status (*flush)(struct efi_block_io *);
};

struct efi_file {
    uint64_t revision;
    EFI efi_status (*open)(struct efi_file *, struct efi_file **opened, const char16_t *name, uint64_t mode,
                           uint64_t attributes);
    EFI efi_status (*close)(struct efi_file *);
    void *delete;
    EFI efi_status (*read)(struct efi_file *, uint64_t *size, void *buffer);
    void *write;
    EFI efi_status (*get_position)(struct efi_file *, uint64_t *position);
    EFI efi_status (*set_position)(struct efi_file *, uint64_t position);
};
struct efi_file_system {
    uint64_t revision;
    EFI efi_status (*open_volume)(struct efi_file_system *, struct efi_file **root);
};

struct efi_loaded_image {
    uint32_t revision;
    void *parent, *system_table, *device, *path, *reserved;
    uint32_t options_size; /* bytes */
    void *options;
};
struct efi_text_output {
    void *reset;
    EFI efi_status (*output_string)(struct efi_text_output *, const char16_t *text);
};
struct efi_boot_services {
    uint8_t header[24];
    void *tpl[2];
    EFI efi_status (*allocate_pages)(uint32_t how, uint32_t memory_type, uint64_t pages, uint64_t *address);
    EFI efi_status (*free_pages)(uint64_t address, uint64_t pages);
    EFI efi_status (*get_memory_map)(uint64_t *size, void *map, uint64_t *key, uint64_t *stride, uint32_t *version);
    void *pool[2];
    EFI efi_status (*create_event)(uint32_t kind, uint64_t priority, EFI void (*notify)(void *event, void *context),
                                   void *context, void **event);
    void *event[5];
    EFI efi_status (*install_protocol)(void **handle, const struct efi_guid *protocol, uint32_t kind, void *interface);
    void *reinstall[2];
    EFI efi_status (*handle_protocol)(void *handle, const struct efi_guid *protocol, void **interface);
    void *notify[3];
    EFI efi_status (*locate_device_path)(const struct efi_guid *protocol, struct efi_device_path **path, void **handle);
    void *configuration_table;
    EFI efi_status (*load_image)(bool policy, void *parent, struct efi_device_path *path, void *source, uint64_t size,
                                 void **handle);
    EFI efi_status (*start_image)(void *handle, uint64_t *exit_size, char16_t **exit_data);
    void *exit;
    EFI efi_status (*unload_image)(void *handle);
    EFI efi_status (*exit_boot_services)(void *image, uint64_t key);
    void *monotonic_stall[2];
    EFI efi_status (*set_watchdog)(uint64_t seconds, uint64_t code, uint64_t size, const char16_t *data);
    void *connect[2];
    void *open_protocol[3];
    void *handles[2];
    EFI efi_status (*locate_protocol)(const struct efi_guid *protocol, void *registration, void **interface);
};
struct efi_runtime_services {
    uint8_t header[24];
    void *time[4], *virtual_map[2];
    EFI efi_status (*get_variable)(const char16_t *name, const struct efi_guid *vendor, uint32_t *attributes,
                                   uint64_t *size, void *data);
    void *get_next_variable;
    EFI efi_status (*set_variable)(const char16_t *name, const struct efi_guid *vendor, uint32_t attributes,
                                   uint64_t size, const void *data);
    void *count;
    EFI void (*reset_system)(uint32_t how, efi_status why, uint64_t size, const void *data);
};
#define EFI_RESET_COLD 0
struct efi_memory_descriptor {
    uint32_t type;
    uint64_t physical, virtual, pages, attribute;
};
struct efi_configuration_table {
    struct efi_guid name;
    void *table;
};
struct efi_system_table {
    uint8_t header[24];
    void *vendor;
    uint64_t revision;
    void *input_handle, *input, *output_handle;
    struct efi_text_output *output;
    void *error_handle, *error;
    struct efi_runtime_services *runtime;
    struct efi_boot_services *boot;
    uint64_t table_count;
    struct efi_configuration_table *tables;
};

#endif
