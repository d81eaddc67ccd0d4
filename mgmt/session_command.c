/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "bulkhead-command/1", the protocol of tools/bhctl, chosen by ALPN: the client sends one line and "\n"; the answer is
 * frames (type u8, length u32 big-endian, bytes): 1 output, 2 errors, 3 exit status (one byte, the last one). What the
 * client sends after the line is input for the command, when that takes any (console).
 */
#include <mgmt/command.h>
#include <mgmt/session_internal.h>
#include <string.h>

#define FRAME_HEADER 5u

static void put_length(uint8_t *header, uint32_t length)
{
    header[1] = (uint8_t)(length >> 24);
    header[2] = (uint8_t)(length >> 16);
    header[3] = (uint8_t)(length >> 8);
    header[4] = (uint8_t)length;
}

static uint32_t get_length(const uint8_t *header)
{
    return (uint32_t)header[1] << 24 | (uint32_t)header[2] << 16 | (uint32_t)header[3] << 8 | header[4];
}

/* Small pieces of one stream share a frame as long as its header has not been sent. */
void session_command_frame(struct session *session, enum session_stream stream, const void *data, size_t length)
{
    uint8_t header[FRAME_HEADER] = {(uint8_t)stream};

    if (length == 0 || length + FRAME_HEADER > session_room(session))
        return;
    if (session->frame == FRAME_NONE || session->buffer[session->frame] != stream) {
        session_write_raw(session, 0, header, sizeof header);
        session->frame = session->end - FRAME_HEADER;
    }
    session_write_raw(session, 0, data, length);
    put_length(session->buffer + session->frame, get_length(session->buffer + session->frame) + (uint32_t)length);
}

void session_command_end(struct session *session)
{
    uint8_t status = (uint8_t)session->status;

    session_command_frame(session, SESSION_STATUS, &status, 1);
    session_close(session);
}

size_t session_command_receive(struct session *session, const uint8_t *data, size_t length)
{
    struct line_editor *line = &session->editor; /* its text is the line's buffer */
    size_t at;

    for (at = 0; at < length; at++) {
        if (data[at] == '\n') {
            session->command_given = true;
            line->text[line->length] = 0;
            if (line->length > 0 && line->text[line->length - 1] == '\r')
                line->text[line->length - 1] = 0;
            session_run_line(session, line->text);
            return at + 1;
        }
        if (line->length == LINE_MAX_BYTES || data[at] == 0) {
            session->command_given = true;
            output_error(session, data[at] == 0 ? "a NUL stands in the command" : "the command is too long");
            session->status = COMMAND_WRONG_USE;
            session_command_end(session);
            return length;
        }
        line->text[line->length++] = (char)data[at];
    }
    return length;
}
