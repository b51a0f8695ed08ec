/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/xfrm-proof.h"

#include "services/tunneld/inner-wire.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define SPI          0x40000100
#define REQID        0xfffffffe
#define FIRST_NUMBER UINT64_C(0x100000005)
/* Busy machines are slow, and the kernel may load its ciphers now. */
#define PATIENCE_MSEC 5000
/* Of a prefix that nobody has: it is inside only. */
#define FROM "fd00:6877:7072:6f6f:6600::1"
#define TO   "fd00:6877:7072:6f6f:6600::2"

static const uint8_t keymat[64] = { 0x68, 0x77, 0x70, 0x72, 0x6f, 0x6f, 0x66, 1, 2, 3 };

static int open_socket(uint16_t *ret_port)
{
	struct sockaddr_in local = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof local;
	cleanup(close_fdp) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) < 0 ||
	    getsockname(fd, (struct sockaddr *)&local, &size) < 0)
		return -errno;
	*ret_port = ntohs(local.sin_port);
	return steal_fd(&fd);
}

static size_t build_packet(uint8_t packet[128], const struct xfrm_state *state)
{
	size_t size = 100;

	memset(packet, 0, 128);
	packet[0] = 6 << 4;
	packet[5] = size - INNER_HEADER_SIZE;
	packet[6] = IPPROTO_NONE;
	packet[7] = 64;
	memcpy(packet + 8, &state->inner_source, 16);
	memcpy(packet + 24, &state->inner_destination, 16);
	for (size_t i = INNER_HEADER_SIZE; i < size; i++)
		packet[i] = i;
	return size;
}

/* What the kernel made of the packet is opened by us. */
static int open_sealed(int fd, const struct xfrm_state *state, const uint8_t *packet, size_t size)
{
	cleanup(aead_engine_freep) struct aead_engine *engine = NULL;
	cleanup(esp_in_freep) struct esp_in *in = NULL;
	struct pollfd wanted = { .fd = fd, .events = POLLIN };
	struct esp_opened opened;
	uint8_t sealed[512];
	ssize_t n;
	int r = aead_engine_new(AEAD_PROVIDER_OPENSSL, &engine);

	if (r >= 0)
		r = esp_in_new(engine, state->algorithm, state->esn, state->spi, state->keymat,
			       &in);
	if (r < 0)
		return r;
	replay_window_mark(esp_in_window(in), FIRST_NUMBER);
	if (poll(&wanted, 1, PATIENCE_MSEC) != 1)
		return -ETIMEDOUT;
	n = recv(fd, sealed, sizeof sealed, MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	r = esp_open(in, sealed, n, &opened);
	if (r < 0)
		return r;
	/* The kernel counts down the hops. */
	if (opened.next_header != ESP_NEXT_IPV6 || opened.size < size ||
	    opened.sequence != FIRST_NUMBER + 1 || memcmp(opened.payload, packet, 7) ||
	    memcmp(opened.payload + 8, packet + 8, size - 8))
		return -EBADMSG;
	return 0;
}

static int try_algorithm(struct xfrm_link *link, uint32_t if_id, enum esp_algorithm algorithm)
{
	cleanup(close_fdp) int fd = -1;
	static const struct xfrm_replay replay = { .out = FIRST_NUMBER };
	const struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
	struct xfrm_state state = { .source = loopback,
				    .destination = loopback,
				    .source_port = 9,
				    .spi = SPI,
				    .reqid = REQID,
				    .if_id = if_id,
				    .algorithm = algorithm,
				    .esn = true,
				    .keymat = keymat,
				    .replay = &replay };
	struct xfrm_policy policy = { .reqid = REQID,
				      .if_id = if_id,
				      .out = true,
				      .source = loopback,
				      .destination = loopback,
				      .spi = SPI };
	uint8_t packet[128];
	size_t size;
	struct xfrm_event last;
	int r;

	inet_pton(AF_INET6, FROM, &state.inner_source);
	inet_pton(AF_INET6, TO, &state.inner_destination);
	policy.inner_source = state.inner_source;
	policy.inner_destination = state.inner_destination;
	fd = open_socket(&state.destination_port);
	if (fd < 0)
		return fd;
	r = xfrm_link_add_state(link, &state);
	if (r < 0)
		return r;
	r = xfrm_link_set_policy(link, &policy);
	if (r >= 0)
		r = xfrm_link_set_route(link, &policy.inner_destination, true);
	size = build_packet(packet, &state);
	if (r >= 0)
		r = xfrm_link_send(link, packet, size);
	if (r >= 0)
		r = open_sealed(fd, &state, packet, size);
	(void)xfrm_link_set_route(link, &policy.inner_destination, false);
	(void)xfrm_link_remove_policy(link, &policy);
	(void)xfrm_link_remove_state(link, loopback, SPI, &last);
	if (r >= 0 && (!last.have_replay || last.replay.out != FIRST_NUMBER + 1))
		return -EPROTO;
	return r;
}

int xfrm_proof_run(struct xfrm_link *link, uint32_t if_id, const char **ret_what)
{
	static const char *const words[] = {
		[ESP_AES128GCM16] = "its ESP with AES-128-GCM is not ours",
		[ESP_AES256GCM16] = "its ESP with AES-256-GCM is not ours",
		[ESP_CHACHA20POLY1305] = "its ESP with ChaCha20-Poly1305 is not ours",
	};

	for (enum esp_algorithm i = ESP_AES128GCM16; i <= ESP_CHACHA20POLY1305; i++) {
		int r = try_algorithm(link, if_id, i);

		*ret_what = words[i];
		if (r < 0)
			return r;
	}
	return 0;
}
