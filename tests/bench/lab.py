"""What soak, start and idle share: namespaces, daemons, pings, and a tidy end."""
import atexit
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RINGLET = os.environ.get("RINGLET", ROOT + "/build/ringlet")
NATLAB = ROOT + "/tests/natlab/natlab"


def say(*words):
    print(time.strftime("%H:%M:%S", time.gmtime()), *words, file=sys.stderr, flush=True)


def sh(*args, check=True, env=None):
    """Run a command; its output, or an exception that carries what it said."""
    r = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env)
    if check and r.returncode:
        raise RuntimeError(f"{' '.join(args)}: exit {r.returncode}: {r.stderr.strip()} {r.stdout.strip()}")
    return r.stdout


class Lab:
    """Namespaces PREFIX-NODE, made by natlab from a spec, or by bridge() without one."""

    def __init__(self, tag, spec=None):
        if os.geteuid():
            sys.exit(f"{tag}: needs root, for network namespaces")
        if not os.access(RINGLET, os.X_OK):
            sys.exit(f"{tag}: no {RINGLET}: run make, or set RINGLET")
        self.prefix = f"{tag}{os.getpid()}"[:12]
        self.spec = spec
        self.dir = tempfile.mkdtemp(prefix=self.prefix + ".")
        os.chmod(self.dir, 0o755)  # the daemon gives up root
        self.daemons, self.procs, self.spaces = {}, [], []
        self.up = True
        atexit.register(self.down)
        for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(s, lambda n, _: sys.exit(128 + n))
        if spec:
            with open(self.dir + "/spec", "w", encoding="ascii") as f:
                f.write(spec)
            self.natlab("up", self.dir + "/spec")

    def natlab(self, *args):
        return sh(NATLAB, *args, env=dict(os.environ, NATLAB_PREFIX=self.prefix)).strip()

    def rebind(self, site):
        """A router comes back with another address."""
        self.natlab("rebind", site)

    def bridge(self, nodes, alone=()):
        """Hosts on one wire: 10.99.0.1 and up, each with the interface eth0; those of `alone` do not reach each other."""
        core = self.prefix + "-core"
        self.spaces.append(core)
        sh("ip", "netns", "add", core)
        sh("ip", "-n", core, "link", "add", "name", "hub", "type", "bridge")
        sh("ip", "-n", core, "link", "set", "hub", "up")
        for i, node in enumerate(nodes, 1):
            ns = f"{self.prefix}-{node}"
            self.spaces.append(ns)
            sh("ip", "netns", "add", ns)
            sh("ip", "-n", ns, "link", "set", "lo", "up")
            sh("ip", "link", "add", "eth0", "netns", ns, "type", "veth", "peer", "name", f"v{i}", "netns", core)
            sh("ip", "-n", core, "link", "set", f"v{i}", "master", "hub", "up")
            if node in alone:
                sh("ip", "-n", core, "link", "set", f"v{i}", "type", "bridge_slave", "isolated", "on")
            sh("ip", "-n", ns, "addr", "add", f"10.99.0.{i}/24", "dev", "eth0")
            sh("ip", "-n", ns, "link", "set", "eth0", "up")

    def pair(self, a, b):
        """Two hosts and a wire between them: 10.99.0.1 and .2, eth0."""
        names = [f"{self.prefix}-{node}" for node in (a, b)]
        for ns in names:
            self.spaces.append(ns)
            sh("ip", "netns", "add", ns)
            sh("ip", "-n", ns, "link", "set", "lo", "up")
        sh("ip", "link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "name", "eth0", "netns", names[1])
        for i, ns in enumerate(names, 1):
            sh("ip", "-n", ns, "addr", "add", f"10.99.0.{i}/24", "dev", "eth0")
            sh("ip", "-n", ns, "link", "set", "eth0", "up")

    def spawn(self, node, *args, out, append=False):
        """A process in a node's namespace; `ip` turns into it, so that the pid is its own."""
        with open(f"{self.dir}/{out}", "ab" if append else "wb") as f:
            p = subprocess.Popen(["ip", "netns", "exec", f"{self.prefix}-{node}", *args], stdin=subprocess.DEVNULL,
                                 stdout=f, stderr=subprocess.STDOUT)
        self.procs.append(p)
        return p

    def ringlet(self, node, *args, check=True):
        """A verb, in the node's namespace."""
        return sh("ip", "netns", "exec", f"{self.prefix}-{node}", RINGLET, "-d", f"{self.dir}/{node}", *args, check=check)

    def asked(self, node, *args):
        """A verb's JSON; {} where it fails."""
        try:
            return json.loads(self.ringlet(node, "--json", *args, check=False) or "{}")
        except json.JSONDecodeError:
            return {}

    def create(self, node, addr, ip, name="bench"):
        self.ringlet(node, "create", name, "--range", ip.rsplit(".", 1)[0] + ".0/24", "--ip", ip, "--host", node,
                     "--advertise", addr + ":7464")

    def join(self, node, ip, by, *args):
        token = self.ringlet(by, "invite", "--ip", ip).strip()
        self.ringlet(node, "join", token, *(args or ("--host", node)))

    def run(self, node):
        p = self.spawn(node, RINGLET, "-d", f"{self.dir}/{node}", "run", out=node + ".log", append=True)
        self.daemons[node] = p
        return p

    def kill9(self, node):
        p = self.daemons.pop(node)
        p.send_signal(signal.SIGKILL)
        p.wait()

    def wait_joined(self, node, timeout=30):
        self.ringlet(node, "status", "--wait", "joined", "--timeout", f"{timeout}s")

    def ping(self, node, ip, interval, out):
        return self.spawn(node, "ping", "-n", "-D", "-O", "-i", str(interval), ip, out=out)

    def log_of(self, node, lines=15):
        try:
            with open(f"{self.dir}/{node}.log", encoding="utf-8", errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except OSError:
            return ""

    def down(self):
        if not self.up:
            return
        self.up = False
        for p in self.procs:
            if p.poll() is None:
                p.terminate()
        deadline = time.time() + 3
        for p in self.procs:
            try:
                p.wait(max(0.05, deadline - time.time()))
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        if self.spec:
            subprocess.run([NATLAB, "down"], env=dict(os.environ, NATLAB_PREFIX=self.prefix), check=False,
                           stdout=subprocess.DEVNULL)
        for ns in reversed(self.spaces):
            subprocess.run(["ip", "netns", "del", ns], check=False)
        if os.environ.get("KEEP"):
            say("kept:", self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def memory_kb(pid):
    """Resident memory of a process now, and the most it ever was."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        text = f.read()
    return tuple(int(re.search(rf"{k}:\s*(\d+)", text).group(1)) for k in ("VmRSS", "VmHWM"))


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        w = f.read().rsplit(")", 1)[1].split()
    return (int(w[11]) + int(w[12])) / os.sysconf("SC_CLK_TCK")


ANSWER = re.compile(r"^\[([\d.]+)\] \d+ bytes from .* icmp_seq=(\d+) .*time=([\d.]+)", re.M)


def answers(path):
    """[(when, seq, rtt_ms)] of a `ping -D`."""
    with open(path, encoding="utf-8", errors="replace") as f:
        return [(float(a), int(b), float(c)) for a, b, c in ANSWER.findall(f.read())]


def silence(got, since, until):
    """The longest time without an answer that ends after `since` and begins before `until`."""
    worst, last = 0.0, since
    for when, _, _ in got:
        if when >= since:
            if last < until:
                worst = max(worst, min(when, until) - last)
            else:
                break
        last = when
    if last < until:
        worst = max(worst, until - last)
    return worst


def middle(values):
    return statistics.median(values) if values else None


def machine():
    with open("/proc/loadavg", encoding="ascii") as f:
        load = f.read().split()[0]
    return {"at": time.strftime("%FT%TZ", time.gmtime()), "cores": os.cpu_count(), "loadavg": float(load)}
