#!/bin/bash
# systemd.sh boot DIR | exec DIR COMMAND… | down DIR
#
# Boots this machine's systemd as process 1 of namespaces of its own, on a throw-away root:
# /usr (read-only), a copy of /etc without its units, and tmpfs. Units are in DIR/units, and
# DIR/share is /share inside. Needs root, systemd and a cgroup2 mount.
set -euo pipefail

inner() { # becomes process 1
  local root=$1/root link n
  mount -t tmpfs -o mode=755,size=1g tmpfs "$root"
  mkdir -p "$root"/{usr,etc,proc,sys,dev,run,tmp,var/log/journal,var/lib,var/tmp,root,srv,opt,mnt,share}
  mount --bind /usr "$root/usr"; mount -o remount,bind,ro "$root/usr"
  for link in bin sbin lib lib32 lib64 libx32; do [ -e "/$link" ] && ln -s "usr/$link" "$root/$link"; done
  cp -a /etc/. "$root/etc/" 2>/dev/null || true
  rm -rf "$root"/etc/systemd/{system,user} "$root"/etc/cron* "$root"/etc/init.d/* "$root"/etc/rc?.d/* "$root"/etc/{fstab,resolv.conf,ssh,lagerd}
  mkdir -p "$root/etc/systemd/system"; cp -a "$1/units/." "$root/etc/systemd/system/"
  echo lab >"$root/etc/hostname"; systemd-id128 new >"$root/etc/machine-id"
  mount --bind "$1/share" "$root/share"
  mount -t proc proc "$root/proc"; mount -t sysfs -o ro sysfs "$root/sys"; mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"; mkdir "$root"/dev/{pts,shm}; mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
  for n in null zero full random urandom tty; do touch "$root/dev/$n"; mount --bind "/dev/$n" "$root/dev/$n"; done
  ln -s pts/ptmx "$root/dev/ptmx"; ln -s /proc/self/fd "$root/dev/fd"; touch "$root/dev/console"; mount --bind "$1/console" "$root/dev/console"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"; mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  for n in sys sysrq-trigger irq bus; do # the machine's settings stay as they are
    if [ -e "$root/proc/$n" ]; then mount --bind "$root/proc/$n" "$root/proc/$n"; mount -o remount,bind,ro,nosuid,nodev,noexec "$root/proc/$n"; fi
  done
  ip link set lo up || true
  cd "$root"; mkdir -p .old; pivot_root . .old; umount -l /.old; rmdir /.old 2>/dev/null || true
  hostname lab
  exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb LANG=C.UTF-8 \
    /lib/systemd/systemd --system --unit=lab.target --show-status=0 --log-level=info --log-target=console --default-standard-output=journal </dev/null >/dev/console 2>&1
}

boot() {
  local dir cgroup unit
  mkdir -p "$1"/{root,units,share}; dir=$(cd "$1" && pwd); : >"$dir/console"
  printf '[Unit]\nRequires=basic.target systemd-journald.service\nAfter=basic.target systemd-journald.service\n' >"$dir/units/lab.target"
  for unit in systemd-{sysctl,modules-load,binfmt,udevd,udev-trigger,hwdb-update,update-utmp,logind,timesyncd,networkd,resolved}.service \
    apt-daily.timer apt-daily-upgrade.timer fstrim.timer getty.target console-getty.service mariadb.service mysql.service; do
    [ -e "$dir/units/$unit" ] || ln -sf /dev/null "$dir/units/$unit"
  done
  cgroup="$(findmnt -nt cgroup2 -o TARGET | head -1)/lagerd-test-$$"; mkdir "$cgroup"; echo "$cgroup" >"$dir/cgroup"
  ( echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec setsid unshare --pid --fork --kill-child --mount --propagation private --net --ipc --uts --cgroup -- "$0" inner "$dir" </dev/null >"$dir/launch.log" 2>&1 ) &
  local parent=$! first=; echo $parent >"$dir/parent"; disown $parent
  for _ in $(seq 200); do first=$(tr -d ' ' <"/proc/$parent/task/$parent/children" 2>/dev/null || true); [ -n "$first" ] && break; sleep 0.05; done
  [ -n "$first" ] || { cat "$dir/launch.log"; return 1; }
  echo "$first" >"$dir/first"
  for _ in $(seq 600); do
    case $(inside "$dir" systemctl is-system-running 2>/dev/null || true) in running | degraded) inside "$dir" mount --make-rshared /; return;; esac
    kill -0 "$parent" 2>/dev/null || break; sleep 0.05
  done
  cat "$dir/launch.log"; tail "$dir/console"; return 1
}

inside() {
  local dir=$1; shift
  nsenter -t "$(cat "$dir/first")" -m -u -i -n -p -C -r -w -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 SYSTEMD_PAGER= SYSTEMD_COLORS=0 "$@"
}

down() {
  local parent; parent=$(cat "$1/parent")
  kill -RTMIN+4 "$(cat "$1/first")" 2>/dev/null || true # poweroff
  for _ in $(seq 100); do kill -0 "$parent" 2>/dev/null || break; sleep 0.05; done
  kill -KILL "$parent" 2>/dev/null || true
  for _ in $(seq 40); do kill -0 "$parent" 2>/dev/null || break; sleep 0.05; done
  find "$(cat "$1/cgroup")" -depth -type d -exec rmdir {} \; 2>/dev/null || true
}

case $1 in inner) inner "$2" ;; boot) boot "$2" ;; exec) shift; inside "$@" ;; down) down "$2" ;; esac
