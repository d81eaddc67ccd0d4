# SPDX-License-Identifier: Apache-2.0
"""bundle.its and bundle.mk: what goes into the bundle, for mkimage and for make."""

import os

# Files that the build makes, below O; `debian` and `busybox` come from tools/build/linux.mk.
BUILT = {"management": "bundle/mgmt.elf", "debian": "guest-linux/Image", "busybox": "guest-linux/initrd.cpio",
         "busybox-pci": "guest-linux/initrd-pci.cpio"}


def image_path(image, root, output):
    if image.source in BUILT:
        return os.path.join(output, BUILT[image.source])
    if image.source == "plan":
        return os.path.join(output, "generated", image.node + ".bin")
    if image.path.startswith("guest:"):
        return os.path.join(output, "guests", image.path.removeprefix("guest:") + ".elf")
    return os.path.join(root, image.path)


FIT_ARCHITECTURES = {"arm64": "arm64", "x86": "x86_64"}


def image_node(image, arch, root, output):
    kind = {"initrd": "ramdisk", "plan": "firmware"}.get(image.kind, "kernel")
    return f"""        {image.node} {{
            data = /incbin/("{image_path(image, root, output)}");
            type = "{kind}";
            arch = "{FIT_ARCHITECTURES[arch]}";
            os = "linux";
            compression = "none";
            hash-1 {{ algo = "sha256"; }};
        }};
"""


def bundle_source(appliance, root, output):
    nodes = "\n".join(image_node(image, appliance.board.arch, root, output) for image in appliance.images)
    return f"""/dts-v1/;
/* Made from .config by tools/resolver. */
/ {{
    description = "Bulkhead bundle";
    #address-cells = <2>;
    bulkhead,version = <{appliance.version}>;

    images {{
{nodes}    }};

    configurations {{
        default = "bulkhead";
        bulkhead {{
            description = "the management domain";
            kernel = "{appliance.partitions[0].kernel.node}";
        }};
    }};
}};
"""


def bundle_makefile(appliance, config, root, output):
    def paths(wanted):
        return " ".join(image_path(image, root, output) for image in appliance.images if (image.source == "plan") == wanted)

    return (f"# Made from .config by tools/resolver.\nbundle-images := {paths(False)}\nload-plans := {paths(True)}\n"
            f"debian-kernel-package := {config.text('DEBIAN_KERNEL_PACKAGE')}\n"
            + "".join(f"bundle-{name.lower().replace('_', '-')} := {os.path.join(root, path) if path else ''}\n"
                      for name in ("SIGNING_KEY", "PUBLIC_KEY") for path in [config.text("BUNDLE_" + name)])
            + "".join(f"image-{name.lower().replace('_', '-')} := {os.path.join(root, path) if path else ''}\n"
                      for name in ("SLOT_SIGNING_KEY", "SLOT_PUBLIC_KEY") for path in [config.text(name)])
            + "".join(f"{name.lower().replace('_', '-')} := {' '.join(os.path.join(root, path) for path in config.text(name).split())}\n"
                      for name in ("SECURE_BOOT_SIGNING_KEY", "SECURE_BOOT_CERTIFICATE", "SECURE_BOOT_OWNER_KEY", "SECURE_BOOT_OWNER_CERTIFICATE",
                                   "SECURE_BOOT_MORE_CERTIFICATES"))
            + f"secure-boot-enroll := {'y' if config.on('SECURE_BOOT_ENROLL') else ''}\n"
            + f"bundle-version-minimum := {config.number('BUNDLE_VERSION_MINIMUM')}\nbundle-version := {appliance.version}\n"
            f"bundle-board := {appliance.board.identity}\n")
