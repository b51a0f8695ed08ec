/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/bench/load.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Long-lived queries over UDP (RFC 8764), each from an address of its own in 127.0.0.0/8: a socket
 * bound to all addresses takes what comes to any of them and sends from the one it is told. */

#define RETRY_AFTER LOAD_SECOND
#define TRIES_MAX   6

enum llq_phase {
	LLQ_NEW,
	LLQ_SETUP,   /* setup request sent */
	LLQ_CONFIRM, /* challenge response sent */
	LLQ_LIVE,
	LLQ_FAILED,
};

struct load_llq {
	uint64_t id;
	uint64_t sent;
	uint32_t lease;
	uint64_t event; /* of the last one's MAC: a message id may come twice in a row by chance */
	uint8_t phase;
	uint8_t tries;
	bool has_event;
};

struct llq_socket {
	struct load_watch watch;
	struct load_llqs *llqs;
	uint16_t port;
};

struct load_llqs {
	struct load_session *session;
	struct llq_socket *sockets;
	unsigned int n_sockets;
	struct load_llq *items;
	size_t n;
	size_t n_begun;
	size_t n_open; /* neither live nor failed, but begun */
	uint64_t next_look;
};

union control {
	struct cmsghdr align;
	char octets[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct timespec))];
};

/* A datagram to be sent from an address. */
struct outgoing {
	uint8_t data[LOAD_MESSAGE_MAX];
	size_t size;
	in_addr_t from; /* network order */
};

static in_addr_t address_of(const struct load_llqs *llqs, size_t i)
{
	return htonl(ntohl(llqs->session->options->from) + i / llqs->n_sockets);
}

static void send_all(struct llq_socket *socket, const struct outgoing *outgoing, unsigned int n)
{
	struct sockaddr_in server = socket->llqs->session->options->server;
	struct mmsghdr messages[LOAD_BATCH] = {};
	struct iovec octets[LOAD_BATCH];
	union control controls[LOAD_BATCH];

	for (unsigned int i = 0; i < n; i++) {
		struct msghdr *header = &messages[i].msg_hdr;
		struct in_pktinfo info = { .ipi_spec_dst.s_addr = outgoing[i].from };
		struct cmsghdr *c = &controls[i].align;

		octets[i] = (struct iovec){ (void *)outgoing[i].data, outgoing[i].size };
		*header = (struct msghdr){ .msg_name = &server,
					   .msg_namelen = sizeof(server),
					   .msg_iov = &octets[i],
					   .msg_iovlen = 1,
					   .msg_control = &controls[i],
					   .msg_controllen = CMSG_SPACE(sizeof(info)) };
		memset(&controls[i], 0, sizeof(controls[i]));
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO };
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	}
	/* What does not go out is sent again with the next try, like what got lost. */
	for (unsigned int sent = 0; sent < n;) {
		int r = sendmmsg(socket->watch.fd, messages + sent, n - sent, 0);

		if (r <= 0)
			break;
		sent += r;
	}
}

/* The setup's first or third message. */
static void build_setup(struct load_llqs *llqs, size_t i, uint64_t now, struct outgoing *ret)
{
	struct load_subject subject = load_subject(llqs->session->options, i);
	struct load_llq *llq = &llqs->items[i];
	struct dns_llq option = { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_SETUP, 0, llq->id,
				  llq->id ? llq->lease : 7200 };
	struct writer message = writer_init(ret->data, sizeof(ret->data));

	load_build_llq(&message, subject.key, subject.host, i, 0, &option, NULL, now / LOAD_SECOND);
	ret->size = message.position;
	ret->from = address_of(llqs, i);
	llq->sent = now;
	llq->tries++;
}

static void send_setup(struct load_llqs *llqs, size_t i, uint64_t now)
{
	struct outgoing outgoing;

	build_setup(llqs, i, now, &outgoing);
	send_all(&llqs->sockets[i % llqs->n_sockets], &outgoing, 1);
}

static void fail(struct load_llqs *llqs, struct load_llq *llq)
{
	llq->phase = LLQ_FAILED;
	llqs->session->n_failed++;
	llqs->n_open--;
}

static void take_answer(struct load_llqs *llqs, size_t i, const struct load_outline *outline,
			uint64_t now)
{
	struct load_llq *llq = &llqs->items[i];

	if ((llq->phase != LLQ_SETUP && llq->phase != LLQ_CONFIRM) || outline->id != (i & 0xffff))
		return;
	if ((outline->flags & 15) || !outline->has_llq ||
	    outline->llq.error != DNS_LLQ_ERROR_NONE) {
		fail(llqs, llq);
	} else if (llq->phase == LLQ_SETUP) {
		llq->id = outline->llq.id;
		llq->lease = outline->llq.lease;
		llq->phase = LLQ_CONFIRM;
		llq->tries = 0;
		send_setup(llqs, i, now);
	} else if (outline->llq.id == llq->id) {
		llq->phase = LLQ_LIVE;
		llqs->session->n_live++;
		llqs->n_open--;
	}
}

/* True: `ret` acknowledges it. */
static bool take_event(struct load_llqs *llqs, size_t i, const uint8_t *data, size_t size,
		       const struct load_outline *outline, uint64_t arrived, struct outgoing *ret)
{
	struct load_session *session = llqs->session;
	struct load_subject subject = load_subject(session->options, i);
	struct load_llq *llq = &llqs->items[i];
	struct dns_llq option = { DNS_LLQ_VERSION, DNS_LLQ_OPCODE_EVENT, 0, llq->id, 0 };
	struct writer message = writer_init(ret->data, sizeof(ret->data));
	uint64_t event;

	if (outline->llq.id != llq->id || !outline->mac)
		return false;
	memcpy(&event, outline->mac, sizeof(event));
	if (llq->has_event && llq->event == event) {
		session->n_repeated++;
	} else {
		unsigned int verify = session->options->verify;

		if (verify && session->n_events % verify == 0) {
			session->n_verified++;
			if (!load_verify(data, size, subject.key, NULL))
				session->n_bad_signatures++;
		}
		load_session_event(session, arrived);
	}
	llq->has_event = true;
	llq->event = event;
	load_build_llq(&message, subject.key, subject.host, outline->id, DNS_FLAG_QR, &option,
		       outline->mac, load_now() / LOAD_SECOND);
	ret->size = message.position;
	ret->from = address_of(llqs, i);
	return true;
}

/* When the kernel got it, and to which address it was sent. */
static uint64_t read_control(struct msghdr *header, uint64_t now, in_addr_t *ret_to)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			*ret_to = info.ipi_addr.s_addr;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec time;

			memcpy(&time, CMSG_DATA(c), sizeof(time));
			now = time.tv_sec * LOAD_SECOND + time.tv_nsec;
		}
	}
	return now;
}

static bool take_datagram(struct llq_socket *socket, struct mmsghdr *datagram, uint64_t now,
			  struct outgoing *ret)
{
	struct load_llqs *llqs = socket->llqs;
	const uint8_t *data = datagram->msg_hdr.msg_iov->iov_base;
	struct load_outline outline;
	in_addr_t to = 0;
	uint64_t arrived = read_control(&datagram->msg_hdr, now, &to);
	size_t i = (ntohl(to) - ntohl(llqs->session->options->from)) * (size_t)llqs->n_sockets +
		   (socket - llqs->sockets);

	if (i >= llqs->n || !load_scan(data, datagram->msg_len, &outline))
		return false;
	if (outline.has_llq && outline.llq.opcode == DNS_LLQ_OPCODE_EVENT)
		return take_event(llqs, i, data, datagram->msg_len, &outline, arrived, ret);
	take_answer(llqs, i, &outline, now);
	return false;
}

static bool receive_batch(struct llq_socket *socket)
{
	static uint8_t data[LOAD_BATCH][DNS_UDP_SIZE];
	static struct outgoing answers[LOAD_BATCH];
	union control controls[LOAD_BATCH];
	struct mmsghdr messages[LOAD_BATCH] = {};
	struct iovec octets[LOAD_BATCH];
	unsigned int n_answers = 0;
	uint64_t now;
	int n;

	for (unsigned int i = 0; i < LOAD_BATCH; i++) {
		octets[i] = (struct iovec){ data[i], sizeof(data[i]) };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &octets[i],
						       .msg_iovlen = 1,
						       .msg_control = &controls[i],
						       .msg_controllen = sizeof(controls[i]) };
	}
	n = recvmmsg(socket->watch.fd, messages, LOAD_BATCH, MSG_DONTWAIT, NULL);
	now = load_now();
	for (int i = 0; i < n; i++)
		n_answers += take_datagram(socket, &messages[i], now, &answers[n_answers]);
	if (n_answers > 0)
		send_all(socket, answers, n_answers);
	return n > 0;
}

static void on_ready(struct load_watch *watch, uint32_t events)
{
	struct llq_socket *socket = container_of(watch, struct llq_socket, watch);

	while (receive_batch(socket))
		;
}

static void open_socket(struct load_llqs *llqs, struct llq_socket *llq_socket)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	static const int on = 1, size = 64 << 20;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	llq_socket->watch = (struct load_watch){ fd, on_ready };
	llq_socket->llqs = llqs;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		fprintf(stderr, "dns-load: cannot have large socket buffers\n");
	if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)))
		load_die("cannot open a socket");
	load_session_watch(llqs->session, &llq_socket->watch, EPOLLIN);
}

struct load_llqs *load_llqs_new(struct load_session *session)
{
	struct load_llqs *llqs = calloc(1, sizeof(*llqs));

	if (!llqs)
		load_die("no memory");
	llqs->session = session;
	llqs->n = session->options->llqs;
	llqs->n_sockets = session->options->sockets;
	llqs->items = calloc(llqs->n + 1, sizeof(*llqs->items));
	llqs->sockets = calloc(llqs->n_sockets, sizeof(*llqs->sockets));
	if (!llqs->items || !llqs->sockets)
		load_die("no memory");
	for (unsigned int i = 0; i < llqs->n_sockets && llqs->n > 0; i++)
		open_socket(llqs, &llqs->sockets[i]);
	return llqs;
}

struct load_llqs *load_llqs_free(struct load_llqs *llqs)
{
	if (!llqs)
		return NULL;
	for (unsigned int i = 0; i < llqs->n_sockets && llqs->n > 0; i++)
		close_fd(llqs->sockets[i].watch.fd);
	free(llqs->sockets);
	free(llqs->items);
	free(llqs);
	return NULL;
}

static void try_again(struct load_llqs *llqs, uint64_t now)
{
	if (now < llqs->next_look)
		return;
	llqs->next_look = now + LOAD_SECOND / 4;
	for (size_t i = 0; i < llqs->n_begun && llqs->n_open > 0; i++) {
		struct load_llq *llq = &llqs->items[i];

		if ((llq->phase != LLQ_SETUP && llq->phase != LLQ_CONFIRM) ||
		    now < llq->sent + RETRY_AFTER)
			continue;
		if (llq->tries >= TRIES_MAX)
			fail(llqs, llq);
		else
			send_setup(llqs, i, now);
	}
}

bool load_llqs_step(struct load_llqs *llqs)
{
	uint64_t now = load_now();

	try_again(llqs, now);
	while (llqs->n_begun < llqs->n && llqs->n_open < llqs->session->options->window) {
		size_t i = llqs->n_begun++;

		llqs->items[i].phase = LLQ_SETUP;
		llqs->n_open++;
		send_setup(llqs, i, now);
	}
	return llqs->n_begun == llqs->n && llqs->n_open == 0;
}
