/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/partition.h>
#include <mgmt/command.h>
#include <mgmt/domain_names.h>
#include <mgmt/output.h>
#include <stdio.h>
#include <string.h>

const char *domain_name(int n)
{
    return n >= 0 && (uint32_t)n < partition_count ? partitions[n].name : NULL;
}

const char *domain_complete(int index, int n)
{
    return index == 0 ? domain_name(n) : NULL;
}

int domain_lookup(const char *name, uint32_t length)
{
    const char *each;
    int n;

    for (n = 0; (each = domain_name(n)) != NULL; n++) {
        if (strlen(each) == length && memcmp(each, name, length) == 0)
            return n;
    }
    return -1;
}

void domain_unknown(struct session *session, const char *name)
{
    const char *suggestion = command_suggestion(name, domain_name), *each;
    char names[BULKHEAD_PARTITIONS_MAX * (BULKHEAD_NAME_MAX + 2)] = "";
    size_t length = 0;
    int n;

    for (n = 0; (each = domain_name(n)) != NULL; n++)
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", n > 0 ? ", " : "", each);
    if (suggestion != NULL)
        output_error(session, "no domain '%.40s'; did you mean '%s'? domains: %s", name, suggestion, names);
    else
        output_error(session, "no domain '%.40s'; domains: %s", name, names);
}

int domain_find(struct session *session, const char *name)
{
    int found = domain_lookup(name, (uint32_t)strlen(name));

    if (found < 0)
        domain_unknown(session, name);
    return found;
}
