/* SPDX-License-Identifier: Apache-2.0 */
#include <mgmt/command.h>
#include <mgmt/output.h>
#include <stdio.h>
#include <string.h>

#define WORD_SIZE 32 /* of a command or an argument's name, with its NUL */

bool command_parse(const char *line, struct command_line *parsed, char *error, size_t error_size)
{
    const char *at = line;
    char *out = parsed->storage;

    parsed->words = 0;
    if (strlen(line) > LINE_MAX_BYTES) {
        snprintf(error, error_size, "the line is longer than %u bytes", LINE_MAX_BYTES);
        return false;
    }
    for (;;) {
        const char *quote = NULL; /* where the open one stands */

        at += strspn(at, " \t");
        if (*at == 0)
            break;
        if (parsed->words == COMMAND_WORDS_MAX) {
            snprintf(error, error_size, "more than %u words", COMMAND_WORDS_MAX);
            return false;
        }
        parsed->word[parsed->words++] = out;
        for (; *at != 0 && (quote != NULL || (*at != ' ' && *at != '\t')); at++) {
            if (quote != NULL && *at == *quote) {
                quote = NULL;
            } else if (quote == NULL && (*at == '\'' || *at == '"')) {
                quote = at;
            } else if (*at == '\\' && (quote == NULL || *quote == '"')) {
                if (*++at == 0) {
                    snprintf(error, error_size, "nothing follows the backslash at the end");
                    return false;
                }
                *out++ = *at;
            } else {
                *out++ = *at;
            }
        }
        if (quote != NULL) {
            snprintf(error, error_size, "the quote %c at column %u is not closed", *quote,
                     (unsigned)(quote - line) + 1);
            return false;
        }
        *out++ = 0;
    }
    parsed->word[parsed->words] = NULL;
    return true;
}

/* Word `index` of space-separated `text`, or false. */
static bool word_at(const char *text, int index, char word[WORD_SIZE])
{
    size_t length;

    for (;; index--) {
        text += strspn(text, " ");
        length = strcspn(text, " ");
        if (length == 0 || length >= WORD_SIZE)
            return false;
        if (index == 0)
            break;
        text += length;
    }
    memcpy(word, text, length);
    word[length] = 0;
    return true;
}

/* How many of `words` the command begins with; *whole: these are all the words it has. */
static int words_matching(const struct command *command, char *const *word, int words, bool *whole)
{
    char own[WORD_SIZE];
    int n = 0;

    while (n < words && word_at(command->words, n, own) && strcmp(own, word[n]) == 0)
        n++;
    *whole = !word_at(command->words, n, own);
    return n;
}

/* The command with the most words that the line begins with. */
static const struct command *find(char *const *word, int words, int *used)
{
    const struct command *command, *best = NULL;

    *used = 0;
    for (command = __start_commands; command < __stop_commands; command++) {
        bool whole;
        int n = words_matching(command, word, words, &whole);

        if (whole && n > *used) {
            best = command;
            *used = n;
        }
    }
    return best;
}

const struct command *command_sorted(unsigned n)
{
    const struct command *command, *candidate, *last = NULL;

    do {
        candidate = NULL;
        for (command = __start_commands; command < __stop_commands; command++) {
            if ((last == NULL || strcmp(command->words, last->words) > 0) &&
                (candidate == NULL || strcmp(command->words, candidate->words) < 0))
                candidate = command;
        }
        last = candidate;
    } while (candidate != NULL && n-- > 0);
    return candidate;
}

unsigned command_distance(const char *a, const char *b)
{
    uint8_t row[3][WORD_SIZE];
    size_t a_length = strlen(a), b_length = strlen(b), i, j;

    if (a_length >= WORD_SIZE || b_length >= WORD_SIZE)
        return 9;
    for (j = 0; j <= b_length; j++)
        row[0][j] = (uint8_t)j;
    for (i = 1; i <= a_length; i++) {
        uint8_t *now = row[i % 3], *before = row[(i - 1) % 3], *twice_before = row[(i + 1) % 3];

        now[0] = (uint8_t)i;
        for (j = 1; j <= b_length; j++) {
            uint8_t best = (uint8_t)(before[j - 1] + (a[i - 1] != b[j - 1]));

            if (before[j] + 1 < best)
                best = (uint8_t)(before[j] + 1);
            if (now[j - 1] + 1 < best)
                best = (uint8_t)(now[j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && twice_before[j - 2] + 1 < best)
                best = (uint8_t)(twice_before[j - 2] + 1);
            now[j] = best;
        }
    }
    return row[a_length % 3][b_length] < 9 ? row[a_length % 3][b_length] : 9;
}

const char *command_suggestion(const char *word, const char *(*candidate)(int n))
{
    unsigned best_distance = strlen(word) < 4 ? 2 : 3; /* it has to be less */
    const char *best = NULL, *each;
    int n;

    for (n = 0; (each = candidate(n)) != NULL; n++) {
        unsigned distance = command_distance(word, each);

        if (distance < best_distance) {
            best_distance = distance;
            best = each;
        }
    }
    return best;
}

/* The next different word at position `depth` of the sorted commands that begin with the `depth` words; `n` goes on. */
static bool next_word_of_group(char *const *word, int depth, unsigned *n, char next[WORD_SIZE])
{
    const struct command *command;
    char previous[WORD_SIZE] = "";

    for (; (command = command_sorted(*n)) != NULL; (*n)++) {
        bool whole;

        if (words_matching(command, word, depth, &whole) < depth || !word_at(command->words, depth, next))
            continue;
        if (*n > 0 && word_at(command_sorted(*n - 1)->words, depth, previous) && strcmp(previous, next) == 0 &&
            words_matching(command_sorted(*n - 1), word, depth, &whole) == depth)
            continue;
        (*n)++;
        return true;
    }
    return false;
}

static int unknown_command(struct session *session, char *const *word, int words)
{
    char next[WORD_SIZE], best[WORD_SIZE] = "", choices[256] = "";
    unsigned n = 0, best_distance = 3;
    size_t length = 0;
    int depth = 0, i;
    bool whole;

    /* How far into a group of commands the line leads. */
    for (n = 0; command_sorted(n) != NULL; n++) {
        int matching = words_matching(command_sorted(n), word, words, &whole);

        depth = matching > depth ? matching : depth;
    }
    for (n = 0; next_word_of_group(word, depth, &n, next);) {
        if (depth < words && command_distance(word[depth], next) < best_distance) {
            best_distance = command_distance(word[depth], next);
            strcpy(best, next);
        }
        if (length < sizeof choices)
            length += (size_t)snprintf(choices + length, sizeof choices - length, "%s%s", length > 0 ? ", " : "", next);
    }
    if (depth == 0) {
        if (best[0] != 0)
            output_error(session, "no command '%.40s'; did you mean '%s'? 'help' lists all", word[0], best);
        else
            output_error(session, "no command '%.40s'; there are: %s", word[0], choices);
        return COMMAND_WRONG_USE;
    }
    next[0] = 0;
    for (i = 0, length = 0; i < depth && length < sizeof next; i++)
        length += (size_t)snprintf(next + length, sizeof next - length, "%s%s", i > 0 ? " " : "", word[i]);
    if (depth == words)
        output_error(session, "'%s' needs one of: %s", next, choices);
    else if (best[0] != 0)
        output_error(session, "no command '%s %.40s'; did you mean '%s %s'?", next, word[depth], next, best);
    else
        output_error(session, "no command '%s %.40s'; after '%s' stands one of: %s", next, word[depth], next, choices);
    return COMMAND_WRONG_USE;
}

static bool names_option(const struct command *command, const char *option)
{
    char own[WORD_SIZE];
    int n;

    for (n = 0; word_at(command->arguments, n, own); n++) {
        size_t length = strlen(option);

        if (own[0] == '[' && strncmp(own + 1, option, length) == 0 && own[1 + length] == ']')
            return true;
    }
    return false;
}

static void usage(char *text, size_t size, const struct command *command)
{
    snprintf(text, size, "%s%s%s", command->words, command->arguments[0] != 0 ? " " : "", command->arguments);
}

/* Options that there are, and as many arguments as there should be. */
static bool check_arguments(struct session *session, const struct command *command, int arguments, char **argument)
{
    char own[WORD_SIZE], text[160];
    int required = 0, allowed = 0, given = 0, n;
    const char *missing = NULL, *extra = NULL;

    usage(text, sizeof text, command);
    for (n = 0; word_at(command->arguments, n, own); n++) {
        if (own[0] != '[')
            required++;
        if (strncmp(own, "[--", 3) != 0)
            allowed++;
        if (strstr(own, "]...") != NULL)
            allowed = COMMAND_WORDS_MAX;
    }
    for (n = 0; n < arguments; n++) {
        if (strncmp(argument[n], "--", 2) != 0) {
            given++;
            if (given == allowed + 1)
                extra = argument[n];
        } else if (!names_option(command, argument[n])) {
            output_error(session, "'%s' has no option %.40s; usage: %s", command->words, argument[n], text);
            return false;
        }
    }
    if (extra != NULL) {
        output_error(session, "'%.40s' is too much for '%s'; usage: %s", extra, command->words, text);
        return false;
    }
    if (given < required) {
        word_at(command->arguments, given, own);
        missing = own;
        output_error(session, "'%s' needs %s; usage: %s", command->words, missing, text);
        return false;
    }
    return true;
}

bool command_option(int *arguments, char **argument, const char *option)
{
    bool found = false;
    int n, kept = 0;

    for (n = 0; n < *arguments; n++) {
        if (strcmp(argument[n], option) == 0)
            found = true;
        else
            argument[kept++] = argument[n];
    }
    *arguments = kept;
    return found;
}

/* "log" is a command and "log events" another: then what follows "log" is more likely a word than an argument. */
static bool mistyped_word(const struct command *command, const char *argument)
{
    const struct command *other;
    size_t length = strlen(command->words);

    if (strncmp(argument, "--", 2) == 0 || (command->arguments[0] != 0 && strncmp(command->arguments, "[--", 3) != 0))
        return false;
    for (other = __start_commands; other < __stop_commands; other++) {
        if (strncmp(other->words, command->words, length) == 0 && other->words[length] == ' ')
            return true;
    }
    return false;
}

int command_run(struct session *session, const char *line)
{
    struct command_line parsed;
    const struct command *command;
    char error[80];
    int used, arguments;

    if (!command_parse(line, &parsed, error, sizeof error)) {
        output_error(session, "%s", error);
        return COMMAND_WRONG_USE;
    }
    if (parsed.words == 0)
        return COMMAND_OK;
    command = find(parsed.word, parsed.words, &used);
    if (command == NULL || (used < parsed.words && mistyped_word(command, parsed.word[used])))
        return unknown_command(session, parsed.word, parsed.words);
    arguments = parsed.words - used;
    if (!check_arguments(session, command, arguments, parsed.word + used))
        return COMMAND_WRONG_USE;
    output_begin(session, command_option(&arguments, parsed.word + used, "--json"));
    return command->run(session, arguments, parsed.word + used);
}

static void complete_argument(const struct command *command, char *const *given, int count, const char *start,
                              void (*each)(void *owner, const char *candidate), void *owner)
{
    char own[WORD_SIZE];
    const char *candidate;
    int index = 0, n;

    for (n = 0; n < count; n++)
        index += strncmp(given[n], "--", 2) != 0;
    for (n = 0; command->complete != NULL && (candidate = command->complete(index, n)) != NULL; n++) {
        if (strncmp(candidate, start, strlen(start)) == 0)
            each(owner, candidate);
    }
    for (n = 0; word_at(command->arguments, n, own); n++) {
        if (strncmp(own, "[--", 3) != 0)
            continue;
        own[strcspn(own, "]")] = 0;
        if (strncmp(own + 1, start, strlen(start)) == 0 && (start[0] == '-' || command->complete == NULL))
            each(owner, own + 1);
    }
}

size_t command_complete(const char *line, void (*each)(void *owner, const char *candidate), void *owner)
{
    struct command_line parsed;
    const struct command *command;
    char error[80], next[WORD_SIZE];
    const char *start = "";
    int whole_words, used;
    unsigned n = 0;
    size_t length = strlen(line);

    if (!command_parse(line, &parsed, error, sizeof error))
        return 0;
    whole_words = parsed.words;
    if (length > 0 && line[length - 1] != ' ' && whole_words > 0)
        start = parsed.word[--whole_words];
    while (next_word_of_group(parsed.word, whole_words, &n, next)) {
        if (strncmp(next, start, strlen(start)) == 0)
            each(owner, next);
    }
    command = find(parsed.word, whole_words, &used);
    if (command != NULL)
        complete_argument(command, parsed.word + used, whole_words - used, start, each, owner);
    return strlen(start);
}
