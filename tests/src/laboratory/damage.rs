//! What may become of a data directory while no server has it: parts are lost, or come back from a backup.

use std::fs;
use std::io;
use std::path::Path;

use crate::dice::Dice;

/// What happens to a data directory. The log itself is not touched: it is the one thing that may not be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// The marks of what is acknowledged are gone.
    NoMarks,
    /// All snapshots are gone.
    NoSnapshots,
    /// The index of ids is gone.
    NoIds,
    /// All views are gone.
    NoViews,
    /// Everything is gone; with the log in the directory, everything but the log.
    NothingButTheLog,
    /// The marks are those of the backup.
    OldMarks,
    /// The snapshots are those of the backup.
    OldSnapshots,
    /// The index of ids is that of the backup.
    OldIds,
    /// The views are those of the backup.
    OldViews,
    /// Everything but the log is as in the backup.
    OldEverything,
}

impl Damage {
    /// All kinds.
    pub const ALL: [Damage; 10] = [
        Damage::NoMarks,
        Damage::NoSnapshots,
        Damage::NoIds,
        Damage::NoViews,
        Damage::NothingButTheLog,
        Damage::OldMarks,
        Damage::OldSnapshots,
        Damage::OldIds,
        Damage::OldViews,
        Damage::OldEverything,
    ];

    pub(super) fn choose(dice: &mut Dice) -> Damage {
        *dice.pick(&Damage::ALL)
    }

    /// Does it to the directory `data`; `backup` is an earlier copy of it.
    ///
    /// # Errors
    /// The files can't be read or written.
    pub fn inflict(self, data: &Path, backup: &Path, has_log_file: bool) -> io::Result<()> {
        match self {
            Damage::NoMarks => remove_stage_files(data, &|name| name == "mark"),
            Damage::NoSnapshots => remove_stage_files(data, &|name| name.ends_with(".snapshot")),
            Damage::NoIds => remove(&data.join("ids.redb")),
            Damage::NoViews => remove(&data.join("views")),
            Damage::NothingButTheLog if !has_log_file => remove(data),
            Damage::NothingButTheLog => {
                ["stages", "ids.redb", "views"].iter().try_for_each(|part| remove(&data.join(part)))
            }
            Damage::OldMarks => {
                remove_stage_files(data, &|name| name == "mark")?;
                restore_stage_files(data, backup, &|name| name == "mark")
            }
            Damage::OldSnapshots => {
                remove_stage_files(data, &|name| name.ends_with(".snapshot"))?;
                restore_stage_files(data, backup, &|name| name.ends_with(".snapshot"))
            }
            Damage::OldIds => restore(data, backup, "ids.redb"),
            Damage::OldViews => restore(data, backup, "views"),
            Damage::OldEverything => {
                ["stages", "ids.redb", "views"].iter().try_for_each(|part| restore(data, backup, part))
            }
        }
    }
}

/// Copies a directory with everything in it.
///
/// # Errors
/// The files can't be read or written.
pub fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Replaces a part by that of the backup, which may have none.
fn restore(data: &Path, backup: &Path, part: &str) -> io::Result<()> {
    remove(&data.join(part))?;
    let (from, to) = (backup.join(part), data.join(part));
    if from.is_dir() {
        copy_dir(&from, &to)
    } else if from.exists() {
        fs::copy(from, to).map(drop)
    } else {
        Ok(())
    }
}

type Wanted<'a> = &'a dyn Fn(&str) -> bool;

/// Every file of a stage's partition: the folder of the partition, and the file's name.
fn stage_files(data: &Path, wanted: Wanted<'_>) -> io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let stages = match fs::read_dir(data.join("stages")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        stages => stages?,
    };
    for stage in stages {
        let stage = stage?;
        for file in fs::read_dir(stage.path())? {
            let name = file?.file_name().to_string_lossy().into_owned();
            if wanted(&name) {
                found.push((stage.file_name().to_string_lossy().into_owned(), name));
            }
        }
    }
    Ok(found)
}

fn remove_stage_files(data: &Path, wanted: Wanted<'_>) -> io::Result<()> {
    let files = stage_files(data, wanted)?;
    files.iter().try_for_each(|(stage, name)| fs::remove_file(data.join("stages").join(stage).join(name)))
}

fn restore_stage_files(data: &Path, backup: &Path, wanted: Wanted<'_>) -> io::Result<()> {
    for (stage, name) in stage_files(backup, wanted)? {
        let to = data.join("stages").join(&stage);
        fs::create_dir_all(&to)?;
        fs::copy(backup.join("stages").join(&stage).join(&name), to.join(&name))?;
    }
    Ok(())
}
