/* SPDX-License-Identifier: MIT */
/*
 * The `uiommu` command: one file per verb. A verb parses its options with argp,
 * prints to stdout what it found and to stderr what went wrong, and returns the
 * exit status: 0, 1 (it found something bad, or failed), 2 (usage).
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
};

struct cli_verb {
	const char *name;
	const char *summary;	/* one line, for the list of verbs */
	/* argv[0] is "uiommu VERB". Returns the exit status. */
	int (*run)(int argc, char **argv);
};

int cli_swap(int argc, char **argv);
int cli_demo(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_show(int argc, char **argv);

/* How the output may look. Plain unless stdout is a terminal that can do more. */
struct cli_term {
	bool color;
	bool utf8;
	bool progress;		/* stderr is a terminal: a progress line may be drawn there */
	unsigned int columns;
	int percent;		/* last drawn */
};

/* Looks at stdout, stderr, NO_COLOR, TERM, COLUMNS and the locale. */
void cli_term_init(struct cli_term *term);
/* Escape sequences, or "" where colour is off. */
const char *cli_bold(const struct cli_term *term);
const char *cli_good(const struct cli_term *term);
const char *cli_bad(const struct cli_term *term);
const char *cli_dim(const struct cli_term *term);
const char *cli_reset(const struct cli_term *term);

/* A progress line on stderr; done and total in any unit. Nothing unless term->progress. */
void cli_progress(struct cli_term *term, const char *what, double done, double total);
void cli_progress_end(struct cli_term *term);

/* "123 ns", "4.56 us", "7.89 ms", "1.23 s" into buf (16 bytes suffice). Returns buf. */
char *cli_duration(char *buf, size_t len, double ns);
/* 1234567 as "1,234,567"; 32 bytes suffice. */
char *cli_count(char *buf, size_t len, uint64_t n);

/*
 * argp parsers of one number or name. 0, or -EINVAL; the caller reports with
 * argp_error(), which names the option.
 */
int cli_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *val);
int cli_parse_double(const char *text, double min, double max, double *val);
/* names: NULL-terminated; the index of text among them. */
int cli_parse_name(const char *text, const char *const *names, unsigned int *index);

/* The closest name within a small edit distance, or NULL. */
const char *cli_suggest(const char *word, const char *const *names);

/*
 * Replaces this process by the steered build of the command (beside this one, or
 * installed in LIBEXECDIR) with the same arguments. Returns only on failure, which
 * it has reported, with the exit status.
 */
int cli_exec_steered(int argc, char **argv);

#endif
