//! A virtual machine: what it is made of, and what it said.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::kernel::{Fetched, Kernel};

/// Emulated processors are some twenty times slower than real ones, and two machines share what is there.
const DEADLINE: Duration = Duration::from_secs(20 * 60);
/// Memory of a machine, MiB: what the largest test takes, twice.
const MEMORY_MB: u32 = 1024;
/// Swap space, bytes: a limit on memory that left swap out would show.
const SWAP_BYTES: u64 = 256 << 20;

/// A machine that runs.
pub(crate) struct Machine {
    emulator: Child,
    began: Instant,
    series: &'static str,
    results: PathBuf,
    console: PathBuf,
}

/// What a machine said.
pub(crate) struct Run {
    pub(crate) took: Duration,
    /// Of the suite and the doctor.
    pub(crate) results: String,
    /// Of the kernel.
    pub(crate) console: String,
    pub(crate) in_time: bool,
}

impl Machine {
    /// Boots the kernel with the root file system, of which it gets a copy that is thrown away.
    pub(crate) fn start(
        kernel: &Kernel,
        fetched: &Fetched,
        root: &Path,
        groups: Option<&str>,
        skip: &str,
    ) -> Self {
        let [results, console, swap] =
            ["results", "console", "swap.img"].map(|name| fetched.directory.join(name));
        File::create(&swap).and_then(|file| file.set_len(SWAP_BYTES)).unwrap();
        // One processor: what the kernel writes into its own code while another processor runs it, emulation may show half
        // written. A panic ends the machine; the mitigations cost emulated time and guard nobody there.
        let line = format!(
            "console=ttyS0 quiet panic=-1 mitigations=off stockade.skip={skip} stockade.groups={}",
            groups.unwrap_or_default()
        );
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", &MEMORY_MB.to_string()])
            .args(["-nodefaults", "-no-reboot", "-display", "none", "-append", &line])
            .arg("-kernel")
            .arg(&fetched.image)
            .arg("-initrd")
            .arg(&fetched.initramfs)
            .args(["-drive", &format!("file={},format=raw,if=virtio,snapshot=on", root.display())])
            .args(["-drive", &format!("file={},format=raw,if=virtio", swap.display())])
            .args(["-serial", &format!("file:{}", console.display())])
            .args(["-serial", &format!("file:{}", results.display())])
            .stdin(Stdio::null());
        let emulator = command.spawn().expect("qemu-system-x86_64 starts: deploy/setup.sh test installs it");
        Self { emulator, began: Instant::now(), series: kernel.series, results, console }
    }

    /// Waits for its end, and ends it if that does not come.
    pub(crate) fn finish(mut self) -> Run {
        println!("kernel {}: booted, its suite runs", self.series);
        let ended = stockade_tests::ended(&mut self.emulator, DEADLINE.saturating_sub(self.began.elapsed()));
        let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).replace('\r', "");
        Run {
            took: self.began.elapsed(),
            results: read(&self.results),
            console: read(&self.console),
            in_time: ended.is_some(),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ended_already = self.emulator.kill();
        let _reaped = self.emulator.wait();
    }
}
