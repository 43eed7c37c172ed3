#include "daemon/steer.h"

#include "overlay/wire.h"
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIX       0x9e3779b1u /* 2^32 over the golden ratio: spreads what differs in few bits */
#define TCP       6
#define UDP       17
#define FRAGMENT4 0x3fff /* more of them, or not the first */

/* Registers of the program: 6 the packet, as loads want it; 0 what was loaded; 7 the sum so far; 8 where the ports are. */
#define INSN(c, d, s, o, i)                                                                        \
    {                                                                                              \
        .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (int32_t)(i)               \
    }
#define LOAD(size, at)       INSN(BPF_LD | BPF_ABS | (size), 0, 0, 0, at)
#define LOAD_BEHIND(size, r) INSN(BPF_LD | BPF_IND | (size), 0, r, 0, 0)
#define SET(r, n)            INSN(BPF_ALU64 | BPF_MOV | BPF_K, r, 0, 0, n)
#define COPY(r, from)        INSN(BPF_ALU64 | BPF_MOV | BPF_X, r, from, 0, 0)
#define CALC(op, r, n)       INSN(BPF_ALU64 | (op) | BPF_K, r, 0, 0, n)
#define CALC_R(op, r, from)  INSN(BPF_ALU64 | (op) | BPF_X, r, from, 0, 0)
#define IF(op, r, n, skip)   INSN(BPF_JMP | (op) | BPF_K, r, 0, skip, n)
#define SKIP(n)              INSN(BPF_JMP | BPF_JA, 0, 0, n, 0)
#define ADD_WORD(at)         LOAD(BPF_W, at), CALC_R(BPF_ADD, 7, 0), CALC32(BPF_MUL, 7, MIX)
#define CALC32(op, r, n)     INSN(BPF_ALU | (op) | BPF_K, r, 0, 0, n)

int steer_packets(void)
{
    /* The result is taken modulo the number of queues. A load behind the end ends the program, with 0: such a packet is of no flow. */
    const struct bpf_insn program[] = {
        COPY(6, 1),
        SET(7, 0),
        LOAD(BPF_B, 0),
        CALC(BPF_RSH, 0, 4),
        IF(BPF_JEQ, 0, 6, 18), /* to IPv6 */
        IF(BPF_JNE, 0, 4, 48), /* to the end */
        /* 6: IPv4 */
        ADD_WORD(12),
        ADD_WORD(16),
        LOAD(BPF_H, 6),
        CALC(BPF_AND, 0, FRAGMENT4),
        IF(BPF_JNE, 0, 0, 39), /* to the end */
        LOAD(BPF_B, 9),
        IF(BPF_JEQ, 0, TCP, 1),
        IF(BPF_JNE, 0, UDP, 36), /* to the end */
        LOAD(BPF_B, 0),
        CALC(BPF_AND, 0, 15),
        CALC(BPF_LSH, 0, 2),
        COPY(8, 0),
        SKIP(28), /* to the ports */
        /* 23: IPv6 */
        ADD_WORD(8),
        ADD_WORD(12),
        ADD_WORD(16),
        ADD_WORD(20),
        ADD_WORD(24),
        ADD_WORD(28),
        ADD_WORD(32),
        ADD_WORD(36),
        LOAD(BPF_B, 6),
        IF(BPF_JEQ, 0, TCP, 1),
        IF(BPF_JNE, 0, UDP, 4), /* to the end */
        SET(8, 40),
        /* 51: the ports */
        LOAD_BEHIND(BPF_W, 8),
        CALC_R(BPF_ADD, 7, 0),
        CALC32(BPF_MUL, 7, MIX),
        /* 54: the end */
        COPY(0, 7),
        CALC(BPF_RSH, 0, 16), /* the low bits of a product are the worse ones */
        INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    union bpf_attr a;
    memset(&a, 0, sizeof a);
    a.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    a.insns = (uint64_t)(uintptr_t)program;
    a.insn_cnt = sizeof program / sizeof *program;
    a.license = (uint64_t)(uintptr_t) "MIT";
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof a);
}

bool steer_ports(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool good = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0 &&
                bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && steer_datagrams(fd, 2);
    int error = errno;
    close(fd);
    errno = error;
    return good;
}

bool steer_datagrams(int fd, uint8_t lanes)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUTER_DATA, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4), /* the receiver index */
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, lanes),
        BPF_STMT(BPF_RET | BPF_A, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog p = {.len = sizeof program / sizeof *program, .filter = program};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &p, sizeof p) == 0;
}
