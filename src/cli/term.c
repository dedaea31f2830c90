/* SPDX-License-Identifier: MIT */
/*
 * How output looks: colour, progress, width; numbers and durations as people read
 * them. Everything is plain ASCII unless the terminal and the locale say more.
 */
#include <errno.h>
#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

static bool env_set(const char *name)
{
	const char *val = getenv(name);

	return val && *val;
}

void cli_term_init(struct cli_term *term)
{
	const char *type = getenv("TERM"), *width = getenv("COLUMNS");
	bool dumb = !type || !*type || !strcmp(type, "dumb");
	struct winsize size;
	uint64_t columns;

	memset(term, 0, sizeof(*term));
	term->color = isatty(STDOUT_FILENO) && !dumb && !env_set("NO_COLOR");
	term->progress = isatty(STDERR_FILENO) && !dumb;
	term->utf8 = isatty(STDOUT_FILENO) && !dumb && !strcmp(nl_langinfo(CODESET), "UTF-8");
	term->columns = 80;
	term->percent = -1;
	if (width && !cli_parse_u64(width, 20, 1000, &columns))
		term->columns = (unsigned int)columns;
	else if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col >= 20)
		term->columns = size.ws_col;
}

const char *cli_bold(const struct cli_term *term)
{
	return term->color ? "\033[1m" : "";
}

const char *cli_good(const struct cli_term *term)
{
	return term->color ? "\033[32m" : "";
}

const char *cli_bad(const struct cli_term *term)
{
	return term->color ? "\033[31m" : "";
}

const char *cli_dim(const struct cli_term *term)
{
	return term->color ? "\033[2m" : "";
}

const char *cli_reset(const struct cli_term *term)
{
	return term->color ? "\033[0m" : "";
}

void cli_progress(struct cli_term *term, const char *what, double done, double total)
{
	unsigned int width = 30, filled;
	char bar[32];

	if (!term->progress || total <= 0)
		return;
	if (done > total)
		done = total;
	if ((int)(100 * done / total) == term->percent)
		return;
	term->percent = (int)(100 * done / total);
	filled = (unsigned int)(width * done / total);
	memset(bar, '.', width);
	memset(bar, '#', filled);
	bar[width] = '\0';
	fprintf(stderr, "\r[%s] %3d%% %-34.34s", bar, term->percent, what);
	fflush(stderr);
}

void cli_progress_end(struct cli_term *term)
{
	if (term->progress && term->percent >= 0)
		fprintf(stderr, "\r%78s\r", "");
	term->percent = -1;
}

char *cli_duration(char *buf, size_t len, double ns)
{
	static const char *const unit[] = { "ns", "us", "ms", "s" };
	unsigned int u = 0;

	while (u < 3 && ns >= 999.5) {
		ns /= 1000;
		u++;
	}
	snprintf(buf, len, u && ns < 99.95 ? "%.1f %s" : "%.0f %s", ns, unit[u]);
	return buf;
}

char *cli_count(char *buf, size_t len, uint64_t n)
{
	char digits[24];
	size_t in, out = 0, total;

	total = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	for (in = 0; in < total && out + 2 < len; in++) {
		if (in && (total - in) % 3 == 0)
			buf[out++] = ',';
		buf[out++] = digits[in];
	}
	buf[out] = '\0';
	return buf;
}

int cli_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *val)
{
	char *end;
	double scaled;

	errno = 0;
	/* "1e6" is what people write for a count. */
	scaled = strtod(text, &end);
	if (end != text && !*end && strpbrk(text, "eE") && !strpbrk(text, "xX.")) {
		if (!(scaled >= (double)min && scaled <= (double)max) || scaled != floor(scaled))
			return -EINVAL;
		*val = (uint64_t)scaled;
		return 0;
	}
	errno = 0;
	*val = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || *val < min || *val > max)
		return -EINVAL;
	return 0;
}

int cli_parse_double(const char *text, double min, double max, double *val)
{
	char *end;

	*val = strtod(text, &end);
	if (end == text || *end || !(*val >= min && *val <= max))
		return -EINVAL;
	return 0;
}

int cli_parse_name(const char *text, const char *const *names, unsigned int *index)
{
	unsigned int i;

	for (i = 0; names[i]; i++) {
		if (!strcmp(text, names[i])) {
			*index = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Edit distance with transpositions not counted apart; words are short. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[32], i, j, up, left, diagonal;
	size_t n = strlen(b);

	if (n + 1 > sizeof(row) / sizeof(row[0]))
		return UINT32_MAX;
	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 1; a[i - 1]; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= n; j++) {
			up = row[j] + 1;
			left = row[j - 1] + 1;
			diagonal += a[i - 1] != b[j - 1];
			if (up > left)
				up = left;
			if (up > diagonal)
				up = diagonal;
			diagonal = row[j];
			row[j] = up;
		}
	}
	return row[n];
}

const char *cli_suggest(const char *word, const char *const *names)
{
	unsigned int best = 3, d, i;
	const char *found = NULL;

	for (i = 0; names[i]; i++) {
		if (strlen(word) >= 3 && !strncmp(word, names[i], strlen(word)))
			return names[i];
		d = distance(word, names[i]);
		if (d < best && d < strlen(names[i])) {
			best = d;
			found = names[i];
		}
	}
	return found;
}
