/* SPDX-License-Identifier: Apache-2.0 */
/* passwd, passwd remove: the password of the serial console. */
#include <mgmt/command.h>
#include <mgmt/output.h>
#include <mgmt/password.h>
#include <storage/state_partition.h>

static int run_passwd(struct session *session, int arguments, char **argument)
{
    (void)arguments;
    (void)argument;
    session->status = COMMAND_OK;
    password_change(session);
    return session->status;
}
COMMAND(passwd, "passwd", "", "set the password of the serial console", run_passwd, NULL);

static int run_remove(struct session *session, int arguments, char **argument)
{
    struct state *store = state_store();

    (void)arguments;
    (void)argument;
    if (store == NULL || !state_remove(store, PASSWORD_VALUE)) {
        output_error(session, "the serial console has no password");
        return COMMAND_FAILED;
    }
    state_store_commit();
    output_print(session, "removed; it is stored when 'state' says so");
    return COMMAND_OK;
}
COMMAND(passwd_remove, "passwd remove", "", "the serial console asks for no password any more", run_remove, NULL);
