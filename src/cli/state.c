/* SPDX-License-Identifier: MIT */
/*
 * From uiommu_show() to JSON, and from JSON to text. There is one way to text, so that a
 * running process and a saved file look alike.
 *
 * Numbers that are addresses, words or masks are strings in hexadecimal: JSON's numbers
 * have 53 bits where many programs read them.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include <uiommu/show.h>

#include "cli/state.h"

struct build {
	json_t *iommu, *domains, *groups;
	json_t *attachments, *entries;	/* of the last group, of the last attachment; borrowed */
};

static json_t *hex(uint64_t val)
{
	return json_sprintf("0x%" PRIx64, val);
}

static json_t *rid_json(uint16_t rid)
{
	return json_sprintf("%02x:%02x.%x", rid >> 8, rid >> 3 & 31, rid & 7);
}

static void on_iommu(void *opaque, const struct uiommu_show_iommu *show)
{
	struct build *b = opaque;

	json_object_set_new(b->iommu, "driver", json_string(show->driver));
	json_object_set_new(b->iommu, "mode", json_string(show->mode));
}

static const char *stage_name(enum uiommu_stage stage)
{
	return stage == UIOMMU_STAGE_FIRST ? "first" : stage == UIOMMU_STAGE_SECOND ? "second" : "";
}

static json_t *level_json(const struct uiommu_show_domain *show, unsigned int level)
{
	return json_pack("{s:i, s:I, s:I}", "level", (int)level, "tables", (json_int_t)show->tables[level],
			 "leaves", (json_int_t)show->leaves[level]);
}

static void on_domain(void *opaque, const struct uiommu_show_domain *show)
{
	struct build *b = opaque;
	json_t *levels = json_array(), *domain;
	unsigned int level;

	for (level = show->levels; level; level--)
		json_array_append_new(levels, level_json(show, level));
	domain = json_pack("{s:I, s:s, s:s, s:i, s:b, s:o, s:o, s:I, s:o}", "id", (json_int_t)show->id,
			   "type", uiommu_domain_type_name(show->type), "stage", stage_name(show->stage),
			   "users",
			   (int)show->users, "quarantined", show->quarantined, "tag",
			   show->tag == UIOMMU_SHOW_NO_TAG ? json_null() : json_integer(show->tag), "root",
			   show->levels ? hex(show->root) : json_null(), "mapped_bytes",
			   (json_int_t)show->mapped, "levels", levels);
	json_array_append_new(b->domains, domain);
}

static void on_group(void *opaque, const struct uiommu_show_group *show)
{
	struct build *b = opaque;
	json_t *group;

	b->attachments = json_array();
	group = json_pack("{s:I, s:I, s:I, s:b, s:b, s:o}", "id", (json_int_t)show->id, "domain",
			  (json_int_t)show->domain, "default_domain", (json_int_t)show->default_domain,
			  "prepared", show->prepared, "owned", show->owned, "attachments", b->attachments);
	json_array_append_new(b->groups, group);
}

static void on_attachment(void *opaque, const struct uiommu_show_attachment *show)
{
	struct build *b = opaque;
	json_t *attachment;

	b->entries = json_array();
	attachment = json_pack("{s:o, s:o, s:I, s:b, s:b, s:b, s:o}", "rid", rid_json(show->rid), "pasid",
			       show->pasid == UIOMMU_NO_PASID ? json_null() : json_integer(show->pasid),
			       "domain", (json_int_t)show->domain, "stuck", show->stuck, "resetting",
			       show->resetting, "deferred", show->deferred, "entries", b->entries);
	json_array_append_new(b->attachments, attachment);
}

static void on_entry(void *opaque, const struct uiommu_show_entry *show)
{
	struct build *b = opaque;
	json_t *words = json_array(), *fields = json_array(), *entry;
	unsigned int i;

	for (i = 0; i < show->n_words; i++)
		json_array_append_new(words, hex(show->words[i]));
	for (i = 0; i < show->n_fields; i++) {
		const struct uiommu_show_field *f = &show->fields[i];

		json_array_append_new(fields, json_pack("{s:s, s:i, s:o, s:o}", "name", f->name, "word",
							(int)f->word, "mask", hex(f->mask), "value",
							hex(f->value)));
	}
	entry = json_pack("{s:s, s:s, s:o, s:s, s:o, s:o}", "name", show->name, "section", show->section,
			  "address", hex(show->pa), "meaning", show->meaning, "words", words, "fields",
			  fields);
	json_array_append_new(b->entries, entry);
}

static json_t *iommu_json(struct uiommu_iommu *iommu)
{
	static const struct uiommu_show_ops ops = {
		.size = sizeof(ops),
		.iommu = on_iommu,
		.domain = on_domain,
		.group = on_group,
		.attachment = on_attachment,
		.entry = on_entry,
	};
	struct build b = { json_object(), json_array(), json_array(), NULL, NULL };

	json_object_set_new(b.iommu, "domains", b.domains);
	json_object_set_new(b.iommu, "groups", b.groups);
	uiommu_show(iommu, &ops, &b);
	return b.iommu;
}

json_t *state_json(const char *command, struct uiommu_iommu *iommu)
{
	json_t *iommus = json_array();

	if (iommu)
		json_array_append_new(iommus, iommu_json(iommu));
	return json_pack("{s:s, s:s, s:i, s:o}", "uiommu", uiommu_version(), "command", command, "pid",
			 (int)getpid(), "iommus", iommus);
}

/* ---- JSON to text, after a check of its members ---- */

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7F)
			return false;
	return true;
}

/* No control characters in any string; keys are never printed. */
static bool all_plain(const json_t *json)
{
	json_t *object, *item;
	void *iter;
	size_t i;

	switch (json_typeof(json)) {
	case JSON_STRING:
		return is_plain(json_string_value(json));
	case JSON_ARRAY:
		for (i = 0; (item = json_array_get(json, i)); i++)
			if (!all_plain(item))
				return false;
		return true;
	case JSON_OBJECT:
		/* Iterators take no const, and change nothing. */
		object = (json_t *)(uintptr_t)json;
		for (iter = json_object_iter(object); iter; iter = json_object_iter_next(object, iter))
			if (!all_plain(json_object_iter_value(iter)))
				return false;
		return true;
	default:
		return true;
	}
}

/* True: @object has a member @key that is an array, and each item of it is good. */
static bool all_good(json_t *object, const char *key, bool (*good)(json_t *item))
{
	json_t *array = json_object_get(object, key);
	size_t i;

	if (!json_is_array(array))
		return false;
	for (i = 0; i < json_array_size(array); i++)
		if (!good(json_array_get(array, i)))
			return false;
	return true;
}

/* True: the members named exist and have the types of the format, jansson's. */
#define HAS(object, ...) (!json_unpack_ex(object, NULL, JSON_VALIDATE_ONLY, __VA_ARGS__))

static bool good_word(json_t *word)
{
	return json_is_string(word);
}

static bool good_field(json_t *field)
{
	return HAS(field, "{s:s, s:i, s:s, s:s}", "name", "word", "mask", "value");
}

static bool good_entry(json_t *entry)
{
	return HAS(entry, "{s:s, s:s, s:s, s:s}", "name", "section", "address", "meaning") &&
	       all_good(entry, "words", good_word) && all_good(entry, "fields", good_field);
}

static bool good_attachment(json_t *attachment)
{
	return HAS(attachment, "{s:s, s:o, s:I, s:b, s:b, s:b}", "rid", "pasid", "domain", "stuck",
		   "resetting", "deferred") &&
	       all_good(attachment, "entries", good_entry);
}

static bool good_group(json_t *group)
{
	return HAS(group, "{s:I, s:I, s:I, s:b, s:b}", "id", "domain", "default_domain", "prepared",
		   "owned") &&
	       all_good(group, "attachments", good_attachment);
}

static bool good_level(json_t *level)
{
	return HAS(level, "{s:i, s:I, s:I}", "level", "tables", "leaves");
}

static bool good_domain(json_t *domain)
{
	return HAS(domain, "{s:I, s:s, s:s, s:i, s:b, s:o, s:o, s:I}", "id", "type", "stage", "users",
		   "quarantined", "tag", "root", "mapped_bytes") &&
	       all_good(domain, "levels", good_level);
}

static bool good_iommu(json_t *iommu)
{
	return HAS(iommu, "{s:s, s:s}", "driver", "mode") && all_good(iommu, "domains", good_domain) &&
	       all_good(iommu, "groups", good_group);
}

const char *state_check(json_t *state)
{
	if (!HAS(state, "{s:s, s:o}", "uiommu", "iommus"))
		return "it is not a state that `uiommu show --save` wrote";
	if (!HAS(state, "{s:s, s:i}", "command", "pid") || !all_good(state, "iommus", good_iommu))
		return "it is not a whole state as `uiommu show --save` writes it: members are missing or of "
		       "another type";
	if (!all_plain(state))
		return "it has control characters in its strings";
	return NULL;
}

static void print_domain(const json_t *d, const struct cli_term *term)
{
	const json_t *levels = json_object_get(d, "levels"), *tag = json_object_get(d, "tag"), *level;
	char a[32], b[32];
	size_t i;

	printf("%sdomain %lld%s  %s", cli_bold(term), (long long)number(d, "id"), cli_reset(term),
	       text(d, "type"));
	if (*text(d, "stage"))
		printf(", %s stage", text(d, "stage"));
	if (json_is_integer(tag))
		printf(", tag %lld", (long long)json_integer_value(tag));
	printf(", %lld user%s%s\n", (long long)number(d, "users"), number(d, "users") == 1 ? "" : "s",
	       json_is_true(json_object_get(d, "quarantined")) ? ", quarantined" : "");
	if (!json_array_size(levels))
		return;
	printf("  page table at %s, %s bytes mapped\n", text(d, "root"),
	       cli_count(a, sizeof(a), (uint64_t)number(d, "mapped_bytes")));
	for (i = 0; (level = json_array_get(levels, i)); i++)
		printf("    level %lld  %10s table%s  %12s leaves\n", (long long)number(level, "level"),
		       cli_count(a, sizeof(a), (uint64_t)number(level, "tables")),
		       number(level, "tables") == 1 ? " " : "s",
		       cli_count(b, sizeof(b), (uint64_t)number(level, "leaves")));
}

/* A value that is one digit needs no 0x. */
static const char *short_hex(const char *hex)
{
	return strlen(hex) == 3 && hex[2] <= '9' ? hex + 2 : hex;
}

static void print_entry(const json_t *entry, const struct cli_term *term)
{
	const json_t *words = json_object_get(entry, "words"), *fields = json_object_get(entry, "fields");
	const json_t *item;
	int column = 0;
	size_t i;

	printf("    %s (%s) at %s\n      %s%s%s\n", text(entry, "name"), text(entry, "section"),
	       text(entry, "address"), cli_good(term), text(entry, "meaning"), cli_reset(term));
	for (i = 0; (item = json_array_get(words, i)); i++)
		printf("%s%18s%s", i % 4 ? " " : "      ",
		       json_is_string(item) ? json_string_value(item) : "?",
		       i % 4 == 3 || i + 1 == json_array_size(words) ? "\n" : "");
	for (i = 0; (item = json_array_get(fields, i)); i++) {
		if (column > 60) {
			putchar('\n');
			column = 0;
		}
		column += printf("%s%s=%s", column ? " " : "      ", text(item, "name"),
				 short_hex(text(item, "value")));
	}
	if (column)
		printf("\n");
}

static void print_attachment(const json_t *attachment, json_int_t group_domain, const struct cli_term *term)
{
	const json_t *pasid = json_object_get(attachment, "pasid"), *entry;
	size_t i;

	printf("  %s%s%s", cli_bold(term), text(attachment, "rid"), cli_reset(term));
	if (json_is_integer(pasid))
		printf(" PASID %lld", (long long)json_integer_value(pasid));
	if (json_is_integer(pasid) || number(attachment, "domain") != group_domain)
		printf(" on domain %lld", (long long)number(attachment, "domain"));
	if (json_is_true(json_object_get(attachment, "stuck")))
		printf(", stuck: hardware is where it likes");
	if (json_is_true(json_object_get(attachment, "resetting")))
		printf(", being reset");
	if (json_is_true(json_object_get(attachment, "deferred")))
		printf(", deferred");
	putchar('\n');
	for (i = 0; (entry = json_array_get(json_object_get(attachment, "entries"), i)); i++)
		print_entry(entry, term);
}

static void print_group(const json_t *group, const struct cli_term *term)
{
	const json_t *attachment;
	size_t i;

	printf("\n%sgroup %lld%s  on domain %lld, default domain %lld%s%s\n", cli_bold(term),
	       (long long)number(group, "id"), cli_reset(term), (long long)number(group, "domain"),
	       (long long)number(group, "default_domain"),
	       json_is_true(json_object_get(group, "prepared")) ? ", a replacement is prepared" : "",
	       json_is_true(json_object_get(group, "owned")) ? ", owned" : "");
	for (i = 0; (attachment = json_array_get(json_object_get(group, "attachments"), i)); i++)
		print_attachment(attachment, number(group, "domain"), term);
}

void state_print(const json_t *state, const struct cli_term *term)
{
	const json_t *iommus = json_object_get(state, "iommus"), *iommu, *item;
	size_t i, k;

	printf("uiommu %s, `uiommu %s`, process %lld\n", text(state, "uiommu"), text(state, "command"),
	       (long long)number(state, "pid"));
	for (i = 0; (iommu = json_array_get(iommus, i)); i++) {
		printf("%s%s%s%s\n\n", text(iommu, "driver"), *text(iommu, "mode") ? ", " : "",
		       text(iommu, "mode"), *text(iommu, "mode") ? " mode" : "");
		for (k = 0; (item = json_array_get(json_object_get(iommu, "domains"), k)); k++)
			print_domain(item, term);
		for (k = 0; (item = json_array_get(json_object_get(iommu, "groups"), k)); k++)
			print_group(item, term);
	}
}
