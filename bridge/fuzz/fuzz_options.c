/*
 * fuzz_options.c
 *		Any text as a configuration file, and behind a NUL any words as a command
 *		line.
 *
 * The file is one in memory.  Words that name another one are left out: what
 * they name is no input of ours.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "../db.h"
#include "../listen.h"
#include "../options.h"

#define WORDS_MAX 8
#define PASSWORD  "Rhubarb-42-Custard"

static int
file_with(const char *text, size_t size)
{
	int fd = memfd_create("options", MFD_CLOEXEC);

	MUST(fd >= 0 && write(fd, text, size) == (ssize_t) size);
	return fd;
}

/* What was read is inside the ranges of the documentation. */
static void
check_read(const Options *options)
{
	MUST(options->listen_count >= 1 && options->listen_count <= OPTIONS_MAX_LISTEN);
	for (unsigned i = 0; i < options->listen_count; i++)
		MUST(listen_address_is_valid(options->listen[i]));
	MUST(options->db != NULL && db_conninfo_is_valid(options->db));
	MUST(options->workers >= 1 && options->workers <= 256);
	MUST(options->read_connections >= 1 && options->write_connections >= 1);
	MUST(options->request_timeout_ms >= 10 && options->request_timeout_ms <= 600000);
	MUST(options->max_connections >= 1 && options->max_connections <= 1000000);
	MUST(options->max_queue >= 1 && options->max_queue <= 1000000);
	MUST(options->log_format >= 0 && options->log_format <= LOG_JSON);
	MUST(options->log_level >= 0 && options->log_level <= LOG_DEBUG);
}

/* One line that says what is wrong, and gives no password away. */
static void
check_refused(const char *message, bool lines_in_words)
{
	MUST(memchr(message, '\0', OPTIONS_MESSAGE_MAX) != NULL && message[0] != '\0');
	MUST(strstr(message, PASSWORD) == NULL);
	if (!lines_in_words)
		MUST(strchr(message, '\n') == NULL);
}

/* The words of the input, each ended by a NUL; true if one of them holds the end of a line. */
static bool
add_words(char **argv, int *argc, char *text, size_t size)
{
	bool lines = false;

	for (char *word = text; word < text + size && *argc < WORDS_MAX; word += strlen(word) + 1)
		if (strncmp(word, "--c", 3) != 0 && strncmp(word, "-c", 2) != 0)
		{
			argv[(*argc)++] = word;
			lines = lines || strchr(word, '\n') != NULL;
		}
	return lines;
}

static void
check(int fd, char *words, size_t size)
{
	char config[64];
	char *argv[WORDS_MAX + 1] = {"pat-bridge", config, "--db=postgresql://u:" PASSWORD "@h/d"};
	int argc = 3;
	char *message = malloc(OPTIONS_MESSAGE_MAX);
	Options options;
	bool lines;

	snprintf(config, sizeof(config), "--config=/proc/self/fd/%d", fd);
	lines = add_words(argv, &argc, words, size);
	argv[argc] = NULL;
	if (options_read(&options, argc, argv, message))
	{
		check_read(&options);
		options_free(&options);
	}
	else
		check_refused(message, lines);
	free(message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	size_t file = strlen(text);
	int fd = file_with(text, file);

	if (memmem(data, size, PASSWORD, strlen(PASSWORD)) == NULL)
		check(fd, text + file + 1, file < size ? size - file - 1 : 0);
	close(fd);
	free(text);
	return 0;
}
