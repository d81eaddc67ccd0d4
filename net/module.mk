# SPDX-License-Identifier: Apache-2.0
# The network side of the management domain: TCP/IP, TLS, the console server.

mgmt-y += net/vswitch.o net/vswitch_setup.o net/offload.o net/checksum.o
mgmt-y += net/lwip_port.o net/address.o net/random.o net/tls.o net/tls_identity.o net/tls_platform.o net/console_server.o net/password_hash.o

lwip-sources += core/def.c core/inet_chksum.c core/init.c core/ip.c core/mem.c core/memp.c core/netif.c core/pbuf.c \
	core/tcp.c core/tcp_in.c core/tcp_out.c core/timeouts.c core/udp.c core/ipv4/dhcp.c core/ipv4/etharp.c \
	core/ipv4/icmp.c core/ipv4/ip4.c core/ipv4/ip4_addr.c netif/ethernet.c

mbedtls-sources += $(patsubst %,library/%.c,aes aesce aesni asn1parse asn1write base64 bignum bignum_core bignum_mod bignum_mod_raw \
	block_cipher chacha20 chachapoly cipher cipher_wrap constant_time ctr_drbg ecdh ecdsa ecp ecp_curves gcm hkdf md \
	oid pem pk pkcs5 pk_ecc pk_wrap pkparse platform platform_util poly1305 psa_crypto psa_crypto_aead psa_crypto_cipher \
	psa_crypto_client psa_crypto_driver_wrappers_no_static psa_crypto_ecp psa_crypto_ffdh psa_crypto_hash \
	psa_crypto_mac psa_crypto_rsa psa_crypto_slot_management psa_util rsa rsa_alt_helpers sha256 sha512 \
	ssl_ciphersuites ssl_msg ssl_tls ssl_tls12_server ssl_tls13_generic ssl_tls13_keys ssl_tls13_server x509 x509_crt)

# On x86-64 mbedTLS knows no instructions for SHA-256.
mgmt-x86 += net/sha256_x86.o net/sha256_plain.o
ifeq ($(ARCH),x86)
CFLAGS_mbedtls/library/sha256.o := -DMBEDTLS_SHA256_PROCESS_ALT
CFLAGS_net/sha256_x86.o := -msse4.1 -msha
CFLAGS_net/sha256_plain.o := -isystem $(MBEDTLS_DIR)/library
endif
# On arm64 these look for the CPU's crypto instructions in the way of a Linux program: see net/feature_detection.
# They run with the MMU on: without unaligned loads each block's 16 bytes and round keys would be put together byte by byte.
mgmt-arm64 += net/cpu_features.o
ifeq ($(ARCH),arm64)
$(foreach file,aes aesce gcm sha256,$(eval CFLAGS_mbedtls/library/$(file).o := -D__linux__ -D__unix__ -isystem net/feature_detection -mno-strict-align))
endif
