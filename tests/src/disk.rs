//! A small disk of a test's own: a file system in memory that only its processes see, and that a test fills and empties.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A disk of a few MiB; gone with its process when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    holder: Child,
    at: TempDir,
    as_user: bool,
}

impl SmallDisk {
    /// A disk of that size. Where the system gives none, neither to root nor in a user's name space, it says on stderr that a
    /// test is skipped.
    pub fn new(mebibytes: u32) -> io::Result<Option<SmallDisk>> {
        for as_user in [false, true] {
            if let Some(disk) = SmallDisk::try_new(mebibytes, as_user)? {
                return Ok(Some(disk));
            }
        }
        // Nobody reads it if stderr is gone.
        let _ = writeln!(io::stderr(), "skipped: no file system of its own may be mounted here");
        Ok(None)
    }

    fn try_new(mebibytes: u32, as_user: bool) -> io::Result<Option<SmallDisk>> {
        let at = tempfile::tempdir()?;
        // It lives as long as its input is open.
        let hold = format!("mount -t tmpfs -o size={mebibytes}m none \"$0\" && echo mounted && exec cat");
        let mut unshare = Command::new("unshare");
        unshare.args(if as_user { &["--user", "--map-root-user", "--mount"][..] } else { &["--mount"] });
        unshare.args(["sh", "-c", &hold]).arg(at.path());
        let held = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut holder) = held else { return Ok(None) };
        let mut line = String::new();
        if let Some(said) = holder.stdout.take() {
            BufReader::new(said).read_line(&mut line)?;
        }
        let disk = SmallDisk { holder, at, as_user };
        Ok((line.trim() == "mounted").then_some(disk))
    }

    /// Where it is, for its processes.
    pub fn path(&self) -> &Path {
        self.at.path()
    }

    /// A command that sees the disk; its process is the program itself.
    pub fn command(&self, program: impl Into<PathBuf>) -> Command {
        let mut enter = Command::new("nsenter");
        let spaces = format!("/proc/{}/ns", self.holder.id());
        if self.as_user {
            enter.arg(format!("--user={spaces}/user")).arg("--preserve-credentials");
        }
        enter.arg(format!("--mount={spaces}/mnt")).arg(program.into());
        enter
    }

    /// Takes all the space that is left, but for so many KiB.
    pub fn fill(&self, left_kibibytes: u32) -> io::Result<()> {
        let all = format!(
            "dd if=/dev/zero of=\"$0/ballast\" bs=4k 2>/dev/null; truncate -s -{left_kibibytes}K \"$0/ballast\""
        );
        self.shell(&all)
    }

    /// Gives the space back.
    pub fn empty(&self) -> io::Result<()> {
        self.shell("rm \"$0/ballast\"")
    }

    fn shell(&self, what: &str) -> io::Result<()> {
        let done = self.command("sh").args(["-c", what]).arg(self.path()).status()?;
        if done.success() { Ok(()) } else { Err(io::Error::other(format!("{what}: {done}"))) }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
