/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "services/tunneld/xfrm-proof.h"

#include "services/tunneld/inner-wire.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#define SPI          0x40000100
#define REQID        0xfffffffe
#define FIRST_NUMBER UINT64_C(0x100000005)
#define SOURCE_PORT  9
/* Busy machines are slow. */
#define PATIENCE_MSEC 5000
/* Of a prefix that nobody has: it is inside only. */
#define FROM "fd00:6877:7072:6f6f:6600::1"
#define TO   "fd00:6877:7072:6f6f:6600::2"

static const uint8_t keymat[64] = { 0x68, 0x77, 0x70, 0x72, 0x6f, 0x6f, 0x66, 1, 2, 3 };
static const struct xfrm_replay replay = { .out = FIRST_NUMBER };

struct xfrm_proof {
	struct loop *loop;
	struct xfrm_link *link;
	xfrm_proof_callback callback;
	void *userdata;
	struct aead_engine *engine;
	struct loop_timer *timer;

	/* The packet under way. */
	struct xfrm_state state;
	struct xfrm_policy policy;
	bool there; /* the kernel has both */
	int fd;     /* where it arrives */
	struct loop_io *io;
	uint8_t packet[128];
	size_t size;
};

static const char *words_of(enum esp_algorithm algorithm)
{
	switch (algorithm) {
	case ESP_AES128GCM16:
		return "its ESP with AES-128-GCM is not ours";
	case ESP_AES256GCM16:
		return "its ESP with AES-256-GCM is not ours";
	case ESP_CHACHA20POLY1305:
		return "its ESP with ChaCha20-Poly1305 is not ours";
	}
	return "";
}

/* Connected, so that nobody else's packet comes between. */
static int open_socket(uint16_t *ret_port)
{
	struct sockaddr_in local = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in remote = local;
	socklen_t size = sizeof local;
	cleanup(close_fdp) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	remote.sin_port = htons(SOURCE_PORT);
	if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) < 0 ||
	    getsockname(fd, (struct sockaddr *)&local, &size) < 0 ||
	    connect(fd, (struct sockaddr *)&remote, sizeof remote) < 0)
		return -errno;
	*ret_port = ntohs(local.sin_port);
	return steal_fd(&fd);
}

static void build_packet(struct xfrm_proof *proof)
{
	uint8_t *packet = proof->packet;

	proof->size = 100;
	memset(packet, 0, sizeof proof->packet);
	packet[0] = 6 << 4;
	packet[5] = proof->size - INNER_HEADER_SIZE;
	packet[6] = IPPROTO_NONE;
	packet[7] = 64;
	memcpy(packet + 8, &proof->state.inner_source, 16);
	memcpy(packet + 24, &proof->state.inner_destination, 16);
	for (size_t i = INNER_HEADER_SIZE; i < proof->size; i++)
		packet[i] = i;
}

/* What the kernel made of the packet is opened by us. */
static int open_sealed(struct xfrm_proof *proof)
{
	const struct xfrm_state *state = &proof->state;
	cleanup(esp_in_freep) struct esp_in *in = NULL;
	struct esp_opened opened;
	uint8_t sealed[512];
	ssize_t n = recv(proof->fd, sealed, sizeof sealed, 0);
	int r;

	if (n < 0)
		return -errno;
	r = esp_in_new(proof->engine, state->algorithm, state->esn, state->spi, state->keymat, &in);
	if (r < 0)
		return r;
	replay_window_mark(esp_in_window(in), FIRST_NUMBER);
	r = esp_open(in, sealed, n, &opened);
	if (r < 0)
		return r;
	/* The kernel counts down the hops. */
	if (opened.next_header != ESP_NEXT_IPV6 || opened.size < proof->size ||
	    opened.sequence != FIRST_NUMBER + 1 || memcmp(opened.payload, proof->packet, 7) ||
	    memcmp(opened.payload + 8, proof->packet + 8, proof->size - 8))
		return -EBADMSG;
	return 0;
}

static void on_ready(void *userdata, int status, int events);

/* One packet, sealed with the algorithm. */
static int begin(struct xfrm_proof *proof, enum esp_algorithm algorithm)
{
	int r;

	proof->state.algorithm = algorithm;
	proof->fd = open_socket(&proof->state.destination_port);
	if (proof->fd < 0)
		return proof->fd;
	r = loop_io_new(proof->loop, proof->fd, UV_READABLE, on_ready, proof, &proof->io);
	if (r < 0)
		return r;
	r = xfrm_link_add_state(proof->link, &proof->state);
	if (r < 0)
		return r;
	proof->there = true;
	r = xfrm_link_set_policy(proof->link, &proof->policy);
	if (r >= 0)
		r = xfrm_link_set_route(proof->link, &proof->policy.inner_destination, true);
	build_packet(proof);
	if (r >= 0)
		r = xfrm_link_send(proof->link, proof->packet, proof->size);
	loop_timer_set_delay(proof->timer, PATIENCE_MSEC);
	return r;
}

/* Takes away what was there for it. 0, or -EPROTO when it was not numbered as it should. */
static int end(struct xfrm_proof *proof)
{
	struct xfrm_event last = {};

	proof->io = loop_io_free(proof->io);
	proof->fd = close_fd(proof->fd);
	if (!proof->there)
		return 0;
	proof->there = false;
	(void)xfrm_link_set_route(proof->link, &proof->policy.inner_destination, false);
	(void)xfrm_link_remove_policy(proof->link, &proof->policy);
	(void)xfrm_link_remove_state(proof->link, proof->state.destination, SPI, &last);
	return last.have_replay && last.replay.out == FIRST_NUMBER + 1 ? 0 : -EPROTO;
}

static void finish(struct xfrm_proof *proof, int r)
{
	(void)end(proof);
	loop_timer_set(proof->timer, UINT64_MAX);
	proof->callback(proof->userdata, r, words_of(proof->state.algorithm));
}

static void on_ready(void *userdata, int status, int events)
{
	struct xfrm_proof *proof = userdata;
	enum esp_algorithm algorithm = proof->state.algorithm;
	int r = open_sealed(proof);

	if (r == -EAGAIN)
		return;
	if (r >= 0)
		r = end(proof);
	if (r >= 0 && algorithm < ESP_CHACHA20POLY1305) {
		r = begin(proof, algorithm + 1);
		if (r >= 0)
			return;
	}
	finish(proof, r);
}

static void on_timer(void *userdata)
{
	struct xfrm_proof *proof = userdata;
	int r = -ETIMEDOUT;

	if (!proof->there)
		r = begin(proof, ESP_AES128GCM16);
	if (r < 0)
		finish(proof, r);
}

static void describe(struct xfrm_proof *proof, uint32_t if_id)
{
	const struct in_addr loopback = { htonl(INADDR_LOOPBACK) };

	proof->state = (struct xfrm_state){ .source = loopback,
					    .destination = loopback,
					    .source_port = SOURCE_PORT,
					    .spi = SPI,
					    .reqid = REQID,
					    .if_id = if_id,
					    .esn = true,
					    .keymat = keymat,
					    .replay = &replay };
	inet_pton(AF_INET6, FROM, &proof->state.inner_source);
	inet_pton(AF_INET6, TO, &proof->state.inner_destination);
	proof->policy = (struct xfrm_policy){ .inner_source = proof->state.inner_source,
					      .inner_destination = proof->state.inner_destination,
					      .reqid = REQID,
					      .if_id = if_id,
					      .out = true,
					      .source = loopback,
					      .destination = loopback,
					      .spi = SPI };
}

int xfrm_proof_new(struct loop *loop, struct xfrm_link *link, uint32_t if_id,
		   xfrm_proof_callback callback, void *userdata, struct xfrm_proof **ret)
{
	cleanup(xfrm_proof_freep) struct xfrm_proof *proof = calloc(1, sizeof *proof);
	int r;

	if (!proof)
		return -ENOMEM;
	proof->loop = loop;
	proof->link = link;
	proof->callback = callback;
	proof->userdata = userdata;
	proof->fd = -1;
	describe(proof, if_id);
	r = aead_engine_new(AEAD_PROVIDER_OPENSSL, &proof->engine);
	if (r >= 0)
		r = loop_timer_new(loop, on_timer, proof, &proof->timer);
	if (r < 0)
		return r;
	loop_timer_set_delay(proof->timer, 0);
	*ret = steal_ptr(proof);
	return 0;
}

struct xfrm_proof *xfrm_proof_free(struct xfrm_proof *proof)
{
	if (!proof)
		return NULL;
	(void)end(proof);
	loop_timer_free(proof->timer);
	aead_engine_free(proof->engine);
	free(proof);
	return NULL;
}
