/* SPDX-License-Identifier: MIT */
/*
 * `uiommu show`: the state of a run, or one that was saved.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "cli/file.h"
#include "cli/serve.h"
#include "cli/state.h"

enum {
	ANSWER_SECONDS = 20,
	RUNS_MAX = 64,
	PATIENCE_MS = 3000,	/* with a run that starts */
	LOOK_MS = 50,
};
#define STATE_MAX ((size_t)256 << 20)

struct show {
	struct cli_term term;
	const char *what, *save;
	bool json;
};

/* A process number, or 0 if it is none (then it is the name of a file). */
static pid_t as_pid(const char *text)
{
	uint64_t n;

	for (const char *c = text; *c; c++)
		if (!isdigit((unsigned char)*c))
			return 0;
	return cli_parse_u64(text, 1, INT32_MAX, &n) ? 0 : (pid_t)n;
}

/* Processes that answer; forgets what those left that were killed. */
static unsigned int find_runs(int dir, pid_t *run)
{
	DIR *d = fdopendir(dup(dir));
	struct dirent *e;
	unsigned int n = 0;
	pid_t pid;
	int fd;

	while (d && n < RUNS_MAX && (e = readdir(d))) {
		pid = as_pid(e->d_name);
		if (!pid)
			continue;
		fd = serve_connect(dir, pid);
		if (fd >= 0) {
			run[n++] = pid;
			close(fd);
		} else if (fd == -ECONNREFUSED && kill(pid, 0) && errno == ESRCH) {
			unlinkat(dir, e->d_name, 0);
		}
	}
	if (d)
		closedir(d);
	return n;
}

static int read_answer(int fd, char **text, size_t *len)
{
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	size_t room = 0;
	ssize_t n = 1;
	char *more;

	*text = NULL;
	*len = 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (n) {
		if (*len == room) {
			room = room ? 2 * room : 1 << 16;
			more = room > STATE_MAX ? NULL : realloc(*text, room);
			if (!more)
				return -ENOMEM;
			*text = more;
		}
		n = read(fd, *text + *len, room - *len);
		if (n < 0 && errno != EINTR)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (n > 0)
			*len += (size_t)n;
	}
	return *len ? 0 : -ECONNRESET;
}

static json_t *parse_state(const char *name, const char *text, size_t len)
{
	json_error_t error;
	json_t *state = json_loadb(text, len, 0, &error);
	const char *why = state ? state_check(state) : NULL;

	if (!state)
		fprintf(stderr, "uiommu show: %s is not JSON: %s (line %d)\n", name, error.text, error.line);
	else if (why)
		fprintf(stderr, "uiommu show: %s cannot be shown: %s\n", name, why);
	if (!why)
		return state;
	json_decref(state);
	return NULL;
}

static void print_runs(const pid_t *run, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		fprintf(stderr, " %ld", (long)run[i]);
	fprintf(stderr, "\n");
}

static void report_no_run(int dir, pid_t pid)
{
	pid_t run[RUNS_MAX];
	unsigned int n = find_runs(dir, run);

	fprintf(stderr, "uiommu show: process %ld is no `uiommu swap` of yours that runs", (long)pid);
	if (n) {
		fprintf(stderr, "; these are:");
		print_runs(run, n);
	} else {
		fprintf(stderr, "; none does\n");
	}
}

static json_t *ask(int dir, pid_t pid)
{
	int fd = serve_connect(dir, pid), err = fd < 0 ? fd : 0;
	json_t *state = NULL;
	char *text = NULL, name[32];
	size_t len = 0;

	snprintf(name, sizeof(name), "process %ld", (long)pid);
	if (!err) {
		err = read_answer(fd, &text, &len);
		close(fd);
	}
	if (err == -ENOENT || err == -ECONNREFUSED)
		report_no_run(dir, pid);
	else if (err)
		fprintf(stderr, "uiommu show: process %ld does not answer: %s\n", (long)pid, strerror(-err));
	else
		state = parse_state(name, text, len);
	free(text);
	return state;
}

static bool has_iommu(const json_t *state)
{
	return json_array_size(json_object_get(state, "iommus")) > 0;
}

/* A run that reads its file or builds its world has none yet: that takes a second at most. */
static json_t *from_process(int dir, pid_t pid)
{
	const struct timespec look = { .tv_nsec = LOOK_MS * 1000000L };
	json_t *state = ask(dir, pid);
	int waited = 0;

	while (state && !has_iommu(state) && waited < PATIENCE_MS) {
		json_decref(state);
		nanosleep(&look, NULL);
		waited += LOOK_MS;
		state = ask(dir, pid);
	}
	return state;
}

static json_t *from_file(const char *path)
{
	json_t *state = NULL;
	void *data = NULL;
	size_t len = 0;
	int err = file_read(path, STATE_MAX, &data, &len);

	if (err)
		fprintf(stderr, "uiommu show: cannot read %s: %s\n", path, file_error(err));
	else
		state = parse_state(path, data, len);
	free(data);
	return state;
}

/* The only one that runs. */
static json_t *from_only_run(int dir)
{
	pid_t run[RUNS_MAX];
	unsigned int n = find_runs(dir, run);

	if (n == 1)
		return from_process(dir, run[0]);
	if (!n) {
		fprintf(stderr, "uiommu show: no `uiommu swap` of yours runs; start one, or name a file that "
				"--save wrote\n");
		return NULL;
	}
	fprintf(stderr, "uiommu show: several run; say which:");
	print_runs(run, n);
	return NULL;
}

static json_t *get_state(const struct show *s)
{
	char name[4096];
	json_t *state;
	int dir;

	if (s->what && !as_pid(s->what))
		return from_file(s->what);
	dir = serve_dir(name, sizeof(name));
	if (dir < 0) {
		fprintf(stderr, "uiommu show: cannot use %s: %s\n", name,
			dir == -EPERM ? "it is not yours alone" : strerror(-dir));
		return NULL;
	}
	state = s->what ? from_process(dir, as_pid(s->what)) : from_only_run(dir);
	close(dir);
	return state;
}

static int save_state(const json_t *state, const char *path)
{
	FILE *f = fopen(path, "we");
	int err;

	if (!f)
		return -errno;
	errno = 0;
	err = json_dumpf(state, f, JSON_INDENT(1)) || putc('\n', f) == EOF;
	err |= fclose(f) == EOF;
	return !err ? 0 : errno ? -errno : -EIO;
}

static int put_state(const struct show *s, const json_t *state)
{
	int err;

	if (!has_iommu(state)) {
		fprintf(stderr, "uiommu show: it is starting, or has ended: no IOMMU at the moment\n");
		return CLI_FAILED;
	}
	err = s->save ? save_state(state, s->save) : 0;
	if (err) {
		fprintf(stderr, "uiommu show: cannot write %s: %s\n", s->save, strerror(-err));
		return CLI_FAILED;
	}
	if (s->json) {
		json_dumpf(state, stdout, JSON_INDENT(1));
		putchar('\n');
	} else if (!s->save) {
		state_print(state, &s->term);
	}
	return CLI_OK;
}

enum { OPT_JSON = 256, OPT_SAVE };

static const struct argp_option options[] = {
	{ "json", OPT_JSON, NULL, 0, "print JSON and nothing else", 0 },
	{ "save", OPT_SAVE, "FILE", 0, "write the state to FILE as JSON instead of printing it", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct show *s = state->input;

	switch (key) {
	case OPT_JSON:
		s->json = true;
		return 0;
	case OPT_SAVE:
		s->save = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "'%s': one process or file at a time", arg);
		s->what = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	options,
	parse,
	"[PID|FILE]",
	"Shows domains, page tables, groups, devices and the entries that hardware reads, decoded: of a "
	"`uiommu swap` that runs (PID; without it the only one), or of a FILE that --save wrote. A run is "
	"not disturbed.",
	NULL,
	NULL,
	NULL,
};

int cli_show(int argc, char **argv)
{
	struct show s = { .what = NULL };
	json_t *state;
	int status;

	cli_term_init(&s.term);
	if (argp_parse(&parser, argc, argv, 0, NULL, &s))
		return CLI_USAGE;
	state = get_state(&s);
	status = state ? put_state(&s, state) : CLI_FAILED;
	json_decref(state);
	return status;
}
