//! What of a machine is durable, and what a crash may make of it.

use orderledger_store::folder::MemoryFiles;
use orderledger_store::memory_disk::MemoryDisk;
use orderledger_store::views::ViewReader;
use orderledger_tests::dice::Dice;

use crate::faults::{Fault, Faults};

/// The views of a machine: settlement, market, audit.
pub(crate) const VIEWS: usize = 3;

/// The data directory of a machine.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) files: MemoryFiles,
    pub(crate) ids: MemoryDisk,
    /// Each view as it was flushed last; none: a fresh one.
    pub(crate) views: [Option<ViewReader>; VIEWS],
}

impl Disk {
    /// A copy that stays as it is.
    pub(crate) fn copy(&self) -> Disk {
        Disk { files: self.files.copy(), ids: self.ids.after_crash(usize::MAX), views: self.views.clone() }
    }

    /// What a crash leaves: of writes that were not synced nothing, or a first part.
    pub(crate) fn crash(&mut self, dice: &mut Dice) {
        let kept = dice.place(self.ids.unsynced() + 1);
        self.ids = self.ids.after_crash(if dice.percent(50) { 0 } else { kept });
        self.files = self.files.copy();
    }

    /// Damages it, as far as these faults go; says what it did.
    pub(crate) fn damage(&mut self, faults: Faults, backup: Option<&Disk>, dice: &mut Dice) -> String {
        let mut done = Vec::new();
        if faults.has(Fault::LostFiles) && dice.percent(40) {
            done.push(self.lose(dice));
        }
        if faults.has(Fault::TornFiles) && dice.percent(40) {
            done.push(self.tear(dice));
        }
        if let Some(backup) = backup.filter(|_| faults.has(Fault::OldFiles) && dice.percent(40)) {
            done.push(self.restore(backup, dice));
        }
        done.join(", ")
    }

    fn lose(&mut self, dice: &mut Dice) -> String {
        let remove = |what: &dyn Fn(&str) -> bool| self.files.files().retain(|path, _| !what(path.to_str().unwrap()));
        match dice.range(0, 8) {
            0 => remove(&|path| path.ends_with("mark")),
            1 => remove(&|path| path.ends_with(".snapshot")),
            2 => remove(&|path| path.contains("intake")),
            3 => remove(&|path| path.contains("matching")),
            4 => remove(&|path| path.contains("-0/")),
            5 => self.ids = MemoryDisk::default(),
            6 => self.views[dice.place(VIEWS)] = None,
            _ => {
                *self = Disk::default();
                return "lost everything".to_owned();
            }
        }
        "lost files".to_owned()
    }

    /// One file is cut, or has another byte.
    fn tear(&mut self, dice: &mut Dice) -> String {
        let mut files = self.files.files();
        let mut whole: Vec<_> = files.iter_mut().filter(|(_, bytes)| !bytes.is_empty()).collect();
        if whole.is_empty() {
            return "nothing to tear".to_owned();
        }
        let chosen = dice.place(whole.len());
        let (path, bytes) = &mut whole[chosen];
        let place = dice.place(bytes.len());
        if dice.percent(50) {
            bytes.truncate(place);
        } else {
            bytes[place] ^= 1 << dice.range(0, 8);
        }
        format!("tore {} at {place}", path.display())
    }

    fn restore(&mut self, backup: &Disk, dice: &mut Dice) -> String {
        let old = backup.copy();
        let mut restored = Vec::new();
        if dice.percent(50) {
            let stage = *dice.pick(&["intake", "matching", "mark", "snapshot", "-0/"]);
            let mut files = self.files.files();
            files.retain(|path, _| !path.to_str().unwrap().contains(stage));
            let old = std::mem::take(&mut *old.files.files());
            files.extend(old.into_iter().filter(|(path, _)| path.to_str().unwrap().contains(stage)));
            restored.push(stage);
        }
        if dice.percent(50) {
            self.ids = old.ids;
            restored.push("ids");
        }
        if dice.percent(50) {
            let place = dice.place(VIEWS);
            self.views[place].clone_from(&old.views[place]);
            restored.push("a view");
        }
        format!("restored from a backup: {}", restored.join(", "))
    }
}
