/*
 * count.c - a plugin of QEMU that counts instructions between two places of a firmware, each time it comes by.
 *
 * Arguments: begin=ADDRESS, end=ADDRESS, out=FILE. Counting starts with the instruction at `begin` and stops before the
 * one at `end`. The file has a line "pass COUNT" for each time, and at QEMU's end one for each instruction that was
 * counted: "at ADDRESS COUNT TAKEN", TAKEN being how often another one than its neighbour came next.
 *
 * QEMU's package brings no header for plugins; what is used of version 1 of their interface is declared here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*call)(qemu_plugin_id_t id, struct qemu_plugin_tb *block));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*call)(unsigned cpu, void *data),
                                            enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*call)(qemu_plugin_id_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

typedef struct place {
    uint64_t address, next;
    uint64_t count, taken;
    struct place *after;
} place;

static place *places; /* of all instructions that were translated; a list will do, as they are few thousand */
static place *before; /* the one counted last; NULL: not counting */
static uint64_t begin, end, passed;
static FILE *out;

static void executed(unsigned cpu, void *data) {
    place *here = (place *)data;
    (void)cpu;
    if (here->address == begin) {
        passed = 0;
        before = here;
    } else if (before == NULL) {
        return;
    } else {
        before->taken += here->address != before->next;
        before = here;
        if (here->address == end) {
            before = NULL;
            fprintf(out, "pass %" PRIu64 "\n", passed);
            return;
        }
    }
    passed++;
    here->count++;
}

/* Code may be translated more than once. */
static place *place_of(const struct qemu_plugin_insn *insn) {
    const uint64_t address = qemu_plugin_insn_vaddr(insn);
    place *p = places;
    while (p != NULL && p->address != address)
        p = p->after;
    if (p == NULL) {
        p = (place *)calloc(1, sizeof *p);
        if (p == NULL)
            abort();
        p->address = address;
        p->next = address + qemu_plugin_insn_size(insn);
        p->after = places;
        places = p;
    }
    return p;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    const size_t n = qemu_plugin_tb_n_insns(block);
    (void)id;
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(block, i);
        qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, QEMU_PLUGIN_CB_NO_REGS, place_of(insn));
    }
}

static void ended(qemu_plugin_id_t id, void *data) {
    (void)id, (void)data;
    for (const place *p = places; p != NULL; p = p->after)
        if (p->count > 0)
            fprintf(out, "at %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", p->address, p->count, p->taken);
    fclose(out);
}

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments);

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments) {
    (void)info;
    for (int i = 0; i < count; i++) {
        if (strncmp(arguments[i], "begin=", 6) == 0)
            begin = strtoull(arguments[i] + 6, NULL, 0);
        else if (strncmp(arguments[i], "end=", 4) == 0)
            end = strtoull(arguments[i] + 4, NULL, 0);
        else if (strncmp(arguments[i], "out=", 4) == 0)
            out = fopen(arguments[i] + 4, "w");
    }
    if (out == NULL)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
