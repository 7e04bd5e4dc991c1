// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's end of the harness. One program in two roles:
 *
 *   agent PORT   daemon: carries streams over a virtio-serial port. The harness opens a stream to
 *                run a command here; a client opens one to run something at the harness.
 *   peer, host   clients (by argv[0]): hand argv, cwd and their three descriptors to the daemon,
 *                and end with the status that comes back.
 *
 * A frame is an 8-byte header (type, channel, stream id, length; little endian) and its payload.
 * Channels 0, 1, 2 are stdin, stdout, stderr. The sender of a channel spends credit, which the
 * receiver gives back as it passes the bytes on: a reader that stands still stops only its stream.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_NAME "hv-agent"		/* abstract: no file to wait for or to clean up */
#define WINDOW (256 * 1024)
#define CHUNK 16384
#define OUT_HIGH (64 * 1024)
#define MAX_FRAME (256 * 1024)
#define MAX_STREAMS 240		/* four descriptors each, within the usual limit of 1024 */
#define MAX_ARGS 4096
#define LOCAL_ID 0x8000			/* set in ids of streams that start in the guest */

enum { HELLO, OPEN, DATA, END, CREDIT, EXIT, SIGNAL };

struct header {
	uint8_t type;
	uint8_t chan;
	uint16_t id;
	uint32_t len;
};

struct chan {
	int fd;
	bool source;		/* we read fd and send; else we receive and write fd */
	bool end;		/* a sink that closes when its buffer is empty */
	int32_t credit;
	size_t len;
	uint8_t *buf;
};

struct stream {
	bool used, finished;
	uint16_t id;
	pid_t pid;		/* of the command run here, else 0 */
	int sock;		/* of the client, else -1 */
	uint32_t status;
	struct chan ch[3];
};

static struct stream streams[MAX_STREAMS];
static int port;
static uint8_t *out, in[sizeof(struct header) + MAX_FRAME];
static size_t out_len, out_cap, in_len;

static void die(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void send_frame(int type, int chan, int id, const void *data, uint32_t len)
{
	struct header h = { type, chan, id, len };

	if (out_len + sizeof(h) + len > out_cap) {
		out_cap = 2 * (out_len + sizeof(h) + len);
		out = realloc(out, out_cap);
		if (!out)
			die("out of memory");
	}
	memcpy(out + out_len, &h, sizeof(h));
	if (len)
		memcpy(out + out_len + sizeof(h), data, len);
	out_len += sizeof(h) + len;
}

static void send_number(int type, int chan, int id, uint32_t value)
{
	send_frame(type, chan, id, &value, sizeof(value));
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static struct stream *find_stream(int id)
{
	for (int i = 0; i < MAX_STREAMS; i++)
		if (streams[i].used && streams[i].id == id)
			return &streams[i];
	return NULL;
}

static struct stream *new_stream(int id, bool local)
{
	for (int i = 0; i < MAX_STREAMS; i++) {
		struct stream *s = &streams[i];

		if (s->used)
			continue;
		*s = (struct stream){ .used = true, .id = id, .sock = -1 };
		for (int c = 0; c < 3; c++) {
			s->ch[c].fd = -1;
			s->ch[c].source = local == (c == 0);
			s->ch[c].credit = WINDOW;
		}
		return s;
	}
	return NULL;
}

static void free_stream(struct stream *s)
{
	for (int c = 0; c < 3; c++) {
		close_fd(&s->ch[c].fd);
		free(s->ch[c].buf);
	}
	close_fd(&s->sock);
	s->used = false;
}

static void pump_source(struct stream *s, int c)
{
	struct chan *ch = &s->ch[c];
	uint8_t buf[CHUNK];
	ssize_t n = read(ch->fd, buf, ch->credit < CHUNK ? ch->credit : CHUNK);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		close_fd(&ch->fd);
		send_frame(END, c, s->id, NULL, 0);
		return;
	}
	ch->credit -= n;
	send_frame(DATA, c, s->id, buf, n);
}

/*
 * The descriptors belong to others too, so they stay blocking; after POLLOUT a pipe takes PIPE_BUF
 * bytes without blocking.
 */
static void pump_sink(struct stream *s, int c)
{
	struct chan *ch = &s->ch[c];
	ssize_t n = write(ch->fd, ch->buf, ch->len < 4096 ? ch->len : 4096);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0) {
		close_fd(&ch->fd);
		send_frame(END, c, s->id, NULL, 0);
		n = ch->len;
	}
	ch->len -= n;
	memmove(ch->buf, ch->buf + n, ch->len);
	send_number(CREDIT, c, s->id, n);
	if (ch->end && !ch->len)
		close_fd(&ch->fd);
}

static void sink_data(struct stream *s, int c, const uint8_t *data, size_t len)
{
	struct chan *ch = &s->ch[c];

	if (ch->fd < 0) {
		send_number(CREDIT, c, s->id, len);
		return;
	}
	if (!ch->buf)
		ch->buf = malloc(WINDOW);
	if (!ch->buf || ch->len + len > WINDOW)
		die("the harness sent more than its credit");
	memcpy(ch->buf + ch->len, data, len);
	ch->len += len;
}

static void handle_end(struct stream *s, int c)
{
	struct chan *ch = &s->ch[c];

	ch->end = true;
	if (ch->source || !ch->len)
		close_fd(&ch->fd);
}

static void run_child(int fds[3], const char *cwd, char **env, char **argv)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	for (int c = 0; c < 3; c++)
		dup2(fds[c], c);
	for (; *env; env++)
		putenv(*env);
	if (*cwd && chdir(cwd))
		fprintf(stderr, "agent: %s: %s\n", cwd, strerror(errno));
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static void start_command(struct stream *s, const char *cwd, char **env, char **argv)
{
	int ours[3], theirs[3], p[2];

	for (int c = 0; c < 3; c++) {
		if (pipe2(p, O_CLOEXEC))
			die("pipe");
		/* never below 3, so that dup2 in the child overwrites nothing that it needs */
		theirs[c] = fcntl(p[c == 0 ? 0 : 1], F_DUPFD_CLOEXEC, 10);
		close(p[c == 0 ? 0 : 1]);
		ours[c] = p[c == 0 ? 1 : 0];
	}
	s->pid = fork();
	if (s->pid < 0)
		die("fork");
	if (!s->pid)
		run_child(theirs, cwd, env, argv);
	for (int c = 0; c < 3; c++) {
		close(theirs[c]);
		s->ch[c].fd = ours[c];
	}
}

/* Payload: strings that end in NUL: kind, cwd, environment..., "", argv... */
static void handle_open(int id, char *data, size_t len)
{
	static char *words[MAX_ARGS];
	struct stream *s = new_stream(id, false);
	size_t n = 0, split = 2;

	for (char *p = data; p < data + len && n < MAX_ARGS - 1; p += strlen(p) + 1)
		words[n++] = p;
	words[n] = NULL;
	while (split < n && *words[split])
		split++;
	if (!s || split + 1 >= n) {
		send_number(EXIT, 0, id, 125);
		return;
	}
	words[split] = NULL;
	start_command(s, words[1], words + 2, words + split + 1);
}

static void handle_frame(struct header *h, uint8_t *data)
{
	struct stream *s = find_stream(h->id);
	int c = h->chan % 3;
	uint32_t value = 0;

	if (h->len >= sizeof(value))
		memcpy(&value, data, sizeof(value));
	if (h->type == OPEN) {
		handle_open(h->id, (char *)data, h->len);
	} else if (!s) {
		return;
	} else if (h->type == DATA) {
		sink_data(s, c, data, h->len);
	} else if (h->type == END) {
		handle_end(s, c);
	} else if (h->type == CREDIT) {
		s->ch[c].credit += value;
	} else if (h->type == EXIT) {
		s->finished = true;
		s->status = value;
	} else if (h->type == SIGNAL && s->pid > 0) {
		kill(-s->pid, value);
	}
}

static void read_port(void)
{
	ssize_t n = read(port, in + in_len, sizeof(in) - in_len);
	size_t at = 0;
	struct header h;

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("port");
	if (n <= 0) {
		usleep(10000);	/* the other end is not connected yet: poll() says readable all the same */
		return;
	}
	in_len += n;
	while (in_len - at >= sizeof(h)) {
		memcpy(&h, in + at, sizeof(h));
		if (h.len > MAX_FRAME)
			die("frame too long");
		if (in_len - at < sizeof(h) + h.len)
			break;
		handle_frame(&h, in + at + sizeof(h));
		at += sizeof(h) + h.len;
	}
	in_len -= at;
	memmove(in, in + at, in_len);
}

static void write_port(void)
{
	ssize_t n = write(port, out, out_len);

	if (n <= 0)
		return;
	out_len -= n;
	memmove(out, out + n, out_len);
}

static void accept_client(int listener)
{
	static uint16_t next_id;
	static char buf[MAX_FRAME];
	char control[CMSG_SPACE(3 * sizeof(int))];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control, .msg_controllen = sizeof(control) };
	int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC), fds[3];
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	struct stream *s;

	if (!cmsg || cmsg->cmsg_len != CMSG_LEN(sizeof(fds))) {
		close(sock);
		return;
	}
	memcpy(fds, CMSG_DATA(cmsg), sizeof(fds));
	do
		next_id = (next_id + 1) | LOCAL_ID;
	while (find_stream(next_id));
	s = new_stream(next_id, true);
	for (int c = 0; c < 3; c++)
		if (s)
			s->ch[c].fd = fds[c];
		else
			close(fds[c]);
	if (!s) {
		close(sock);
		return;
	}
	s->sock = sock;
	send_frame(OPEN, 0, s->id, buf, n);
}

/* A signal that the client caught, or its end: then what it started must not outlive it. */
static void read_client(struct stream *s)
{
	uint8_t signo;
	bool gone = recv(s->sock, &signo, 1, 0) != 1;

	send_number(SIGNAL, 0, s->id, gone ? SIGKILL : signo);
	if (!gone)
		return;
	close_fd(&s->sock);
	for (int c = 0; c < 3; c++)
		close_fd(&s->ch[c].fd);
}

static void reap(int sigfd)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	if (read(sigfd, &si, sizeof(si)) < 0)
		return;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < MAX_STREAMS; i++) {
			struct stream *s = &streams[i];

			if (!s->used || s->pid != pid)
				continue;
			s->finished = true;
			s->pid = -1;
			s->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
			kill(-pid, SIGKILL);	/* nothing of a command outlives it */
		}
	}
}

static bool readable(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, 0) > 0;
}

/* What is in the pipes at the end still goes out; a pipe held by others is not waited for. */
static void finish(struct stream *s)
{
	for (int c = 0; c < 3; c++) {
		struct chan *ch = &s->ch[c];

		if (ch->fd < 0)
			continue;
		if (s->sock < 0 && ch->source && readable(ch->fd))
			return;
		if (s->sock >= 0 && !ch->source && ch->len)
			return;
	}
	if (s->sock >= 0)
		send(s->sock, &s->status, sizeof(s->status), MSG_NOSIGNAL);
	else if (!(s->id & LOCAL_ID))
		send_number(EXIT, 0, s->id, s->status);
	free_stream(s);
}

static void wait_chan(struct pollfd *p, struct chan *ch)
{
	bool want = ch->source ? ch->credit > 0 && out_len < OUT_HIGH : ch->len > 0;

	p->fd = want ? ch->fd : -1;
	p->events = ch->source ? POLLIN : POLLOUT;
}

static void step(int listener, int sigfd)
{
	static struct pollfd p[3 + 4 * MAX_STREAMS];

	p[0] = (struct pollfd){ port, POLLIN | (out_len ? POLLOUT : 0), 0 };
	p[1] = (struct pollfd){ listener, POLLIN, 0 };
	p[2] = (struct pollfd){ sigfd, POLLIN, 0 };
	for (int i = 0; i < MAX_STREAMS; i++) {
		p[3 + 4 * i] = (struct pollfd){ streams[i].used ? streams[i].sock : -1, POLLIN, 0 };
		for (int c = 0; c < 3; c++)
			if (streams[i].used)
				wait_chan(&p[4 + 4 * i + c], &streams[i].ch[c]);
			else
				p[4 + 4 * i + c].fd = -1;
	}
	if (poll(p, 3 + 4 * MAX_STREAMS, -1) < 0)
		return;
	for (int i = 0; i < 4 * MAX_STREAMS; i++) {
		struct stream *s = &streams[i / 4];
		int c = i % 4 - 1;

		if (p[3 + i].fd < 0 || !p[3 + i].revents)
			continue;
		if (c < 0)
			read_client(s);
		else if (s->ch[c].fd >= 0 && s->ch[c].source)
			pump_source(s, c);
		else if (s->ch[c].fd >= 0)
			pump_sink(s, c);
	}
	if (p[0].revents & POLLOUT)
		write_port();
	if (p[0].revents & ~POLLOUT)
		read_port();
	if (p[1].revents)
		accept_client(listener);
	if (p[2].revents)
		reap(sigfd);
	for (int i = 0; i < MAX_STREAMS; i++)
		if (streams[i].used && streams[i].finished)
			finish(&streams[i]);
}

static socklen_t address(struct sockaddr_un *a)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path + 1, SOCKET_NAME);
	return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(SOCKET_NAME);
}

static _Noreturn void daemon_main(const char *path)
{
	struct sockaddr_un addr;
	socklen_t len = address(&addr);
	sigset_t chld;
	int listener, sigfd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	sigfd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	port = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (port < 0)
		die(path);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (void *)&addr, len) || listen(listener, 128))
		die("socket");
	send_frame(HELLO, 0, 0, NULL, 0);
	for (;;)
		step(listener, sigfd);
}

static int client_sock;

static void forward_signal(int signo)
{
	uint8_t b = signo;

	send(client_sock, &b, 1, MSG_NOSIGNAL);
}

static size_t put_word(char *buf, size_t at, const char *word)
{
	size_t len = strlen(word) + 1;

	if (at + len > 128 * 1024) {
		fprintf(stderr, "agent: too many arguments\n");
		exit(125);
	}
	memcpy(buf + at, word, len);
	return at + len;
}

static int client_main(const char *kind, char **argv)
{
	static char buf[128 * 1024], cwd[4096];
	char control[CMSG_SPACE(3 * sizeof(int))] = { 0 };
	struct iovec iov = { buf, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	struct sockaddr_un addr;
	socklen_t len = address(&addr);
	int fds[3] = { 0, 1, 2 }, null;
	uint32_t status;
	ssize_t n;

	while ((null = open("/dev/null", O_RDWR)) >= 0 && null < 3)
		;	/* a closed descriptor cannot be passed */
	iov.iov_len = put_word(buf, 0, kind);
	iov.iov_len = put_word(buf, iov.iov_len, getcwd(cwd, sizeof(cwd)) ? cwd : "/");
	iov.iov_len = put_word(buf, iov.iov_len, "");
	for (argv++; *argv; argv++)
		iov.iov_len = put_word(buf, iov.iov_len, *argv);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(cmsg), fds, sizeof(fds));
	client_sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (client_sock < 0 || connect(client_sock, (void *)&addr, len) ||
	    sendmsg(client_sock, &msg, 0) < 0)
		die("no daemon");
	signal(SIGINT, forward_signal);
	signal(SIGTERM, forward_signal);
	do
		n = recv(client_sock, &status, sizeof(status), 0);
	while (n < 0 && errno == EINTR);
	return n == sizeof(status) ? status : 125;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	name = name ? name + 1 : argv[0];
	if (!strcmp(name, "peer") || !strcmp(name, "host"))
		return client_main(name, argv);
	if (argc != 2) {
		fprintf(stderr, "usage: agent PORT\n");
		return 2;
	}
	daemon_main(argv[1]);
}
