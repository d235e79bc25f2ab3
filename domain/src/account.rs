//! Accounts and postings: double entry. Every event's postings sum to zero per asset.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{Adjustment, Direction};
use crate::ids::Asset;
use crate::money::Amount;

/// The account that one posting changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LedgerAccount {
    /// What the user may spend.
    Available,
    /// What the user's open orders and amends hold.
    Reserved,
    /// Between the two legs of a trade; zero once every partition has passed it.
    Clearing,
    /// What the platform earned.
    Fees,
    /// The world outside: deposits come from it, withdrawals go to it.
    Outside,
    /// What operators' corrections gave to users, below zero, and took from them.
    Adjustments,
}

impl LedgerAccount {
    /// The account's name in answers, after the user's id where it is the user's.
    pub const fn as_str(self) -> &'static str {
        match self {
            LedgerAccount::Available => "available",
            LedgerAccount::Reserved => "reserved",
            LedgerAccount::Clearing => "clearing",
            LedgerAccount::Fees => "fees",
            LedgerAccount::Outside => "outside",
            LedgerAccount::Adjustments => "adjustments",
        }
    }

    /// Whether it belongs to a user.
    pub const fn is_of_user(self) -> bool {
        matches!(self, LedgerAccount::Available | LedgerAccount::Reserved)
    }
}

/// Why a posting was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PostingReason {
    /// Assets came in.
    Deposit,
    /// Assets went out.
    Withdrawal,
    /// An order's need was reserved.
    Reserve,
    /// An amend's extra was reserved.
    AmendReserve,
    /// A reserve no longer needed became available.
    Release,
    /// One leg of a trade.
    Trade,
    /// A fill's fee.
    Fee,
    /// An operator's correction.
    Adjustment,
}

impl PostingReason {
    /// Every reason.
    pub const ALL: [PostingReason; 8] = [
        PostingReason::Deposit,
        PostingReason::Withdrawal,
        PostingReason::Reserve,
        PostingReason::AmendReserve,
        PostingReason::Release,
        PostingReason::Trade,
        PostingReason::Fee,
        PostingReason::Adjustment,
    ];

    /// The reason's name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            PostingReason::Deposit => "deposit",
            PostingReason::Withdrawal => "withdrawal",
            PostingReason::Reserve => "reserve",
            PostingReason::AmendReserve => "amend_reserve",
            PostingReason::Release => "release",
            PostingReason::Trade => "trade",
            PostingReason::Fee => "fee",
            PostingReason::Adjustment => "adjustment",
        }
    }
}

/// One line of the journal: what one account gains (credit, positive) or gives (debit, negative).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The account changed.
    pub account: LedgerAccount,
    /// The asset.
    pub asset: Asset,
    /// The change: a credit above zero, a debit below.
    pub change: Amount,
    /// Why.
    pub reason: PostingReason,
}

/// The postings of one event, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Postings(Vec<Posting>);

impl Postings {
    /// Moves an amount from one account to another; nothing is posted for nothing.
    pub fn transfer(
        &mut self,
        asset: Asset,
        amount: Amount,
        from: LedgerAccount,
        to: LedgerAccount,
        reason: PostingReason,
    ) {
        if !amount.is_zero() {
            self.0.push(Posting { account: from, asset, change: amount.negated(), reason });
            self.0.push(Posting { account: to, asset, change: amount, reason });
        }
    }

    /// The postings in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Posting> {
        self.0.iter()
    }

    /// Assets come in from outside.
    pub fn deposit(asset: Asset, amount: Amount) -> Postings {
        let mut postings = Postings::default();
        postings.transfer(asset, amount, LedgerAccount::Outside, LedgerAccount::Available, PostingReason::Deposit);
        postings
    }

    /// Assets go out.
    pub fn withdrawal(asset: Asset, amount: Amount) -> Postings {
        let mut postings = Postings::default();
        postings.transfer(asset, amount, LedgerAccount::Available, LedgerAccount::Outside, PostingReason::Withdrawal);
        postings
    }
}

impl Adjustment {
    /// A correction: a credit comes from the account of adjustments, a debit goes there.
    pub fn postings(&self) -> Postings {
        let (from, to) = match self.direction {
            Direction::Credit => (LedgerAccount::Adjustments, LedgerAccount::Available),
            Direction::Debit => (LedgerAccount::Available, LedgerAccount::Adjustments),
        };
        let mut postings = Postings::default();
        postings.transfer(self.asset, self.amount, from, to, PostingReason::Adjustment);
        postings
    }
}

/// What a user has of one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// What may be spent.
    pub available: Amount,
    /// What open orders and amends hold.
    pub reserved: Amount,
}

impl Balance {
    /// Both together.
    pub fn total(&self) -> Amount {
        self.available.plus(self.reserved)
    }
}

/// A posting that would take a user's account below zero: the log and the fold disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {} posting of {} {} takes the {} account below zero", reason.as_str(), change, asset, account.as_str())]
pub struct Overdrawn {
    account: LedgerAccount,
    asset: Asset,
    change: Amount,
    reason: PostingReason,
}

/// A user's balances of all assets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account(BTreeMap<Asset, Balance>);

impl Account {
    /// The balance of an asset, zero if there never was any.
    pub fn balance(&self, asset: Asset) -> Balance {
        self.0.get(&asset).copied().unwrap_or_default()
    }

    /// All balances by asset name, once-touched ones included.
    pub fn iter(&self) -> impl Iterator<Item = (Asset, Balance)> + '_ {
        self.0.iter().map(|(asset, balance)| (*asset, *balance))
    }

    /// Applies one posting of this user; others don't touch it. Returns the balance after it.
    pub fn post(&mut self, posting: &Posting) -> Result<Balance, Overdrawn> {
        let balance = self.0.entry(posting.asset).or_default();
        let part = match posting.account {
            LedgerAccount::Available => &mut balance.available,
            LedgerAccount::Reserved => &mut balance.reserved,
            LedgerAccount::Clearing | LedgerAccount::Fees | LedgerAccount::Outside | LedgerAccount::Adjustments => {
                return Ok(*balance);
            }
        };
        let after = part.plus(posting.change);
        if after.is_negative() {
            let Posting { account, asset, change, reason } = *posting;
            return Err(Overdrawn { account, asset, change, reason });
        }
        *part = after;
        Ok(*balance)
    }

    /// Applies the user's postings of one event.
    pub fn post_all(&mut self, postings: &Postings) -> Result<(), Overdrawn> {
        postings.iter().try_for_each(|posting| self.post(posting).map(drop))
    }
}

/// Balances of system accounts, signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemAccounts(BTreeMap<(LedgerAccount, Asset), Amount>);

impl SystemAccounts {
    /// Applies a posting of a system account; others don't touch it. Returns the balance after it, if it was one.
    pub fn post(&mut self, posting: &Posting) -> Option<Amount> {
        if posting.account.is_of_user() {
            return None;
        }
        let balance = self.0.entry((posting.account, posting.asset)).or_default();
        *balance = balance.plus(posting.change);
        Some(*balance)
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = (LedgerAccount, Asset, Amount)> + '_ {
        self.0.iter().map(|((account, asset), amount)| (*account, *asset, *amount))
    }

    /// Sets a balance, when they are read back.
    pub fn set(&mut self, account: LedgerAccount, asset: Asset, amount: Amount) {
        self.0.insert((account, asset), amount);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn shares() -> Asset {
        Asset::new("AAPL").unwrap()
    }

    fn moved(account: LedgerAccount, units: i128) -> Posting {
        Posting { account, asset: Asset::USD, change: Amount::from_units(units), reason: PostingReason::Trade }
    }

    #[test]
    fn accounts_and_reasons_are_named_in_answers_as_this_table_says() {
        use LedgerAccount::{Adjustments, Available, Clearing, Fees, Outside, Reserved};
        for (account, name, is_of_user) in [
            (Available, "available", true),
            (Reserved, "reserved", true),
            (Clearing, "clearing", false),
            (Fees, "fees", false),
            (Outside, "outside", false),
            (Adjustments, "adjustments", false),
        ] {
            assert_eq!((account.as_str(), account.is_of_user()), (name, is_of_user));
        }
        for (reason, name) in [
            (PostingReason::Deposit, "deposit"),
            (PostingReason::Withdrawal, "withdrawal"),
            (PostingReason::Reserve, "reserve"),
            (PostingReason::AmendReserve, "amend_reserve"),
            (PostingReason::Release, "release"),
            (PostingReason::Trade, "trade"),
            (PostingReason::Fee, "fee"),
            (PostingReason::Adjustment, "adjustment"),
        ] {
            assert_eq!(reason.as_str(), name);
        }
    }

    #[test]
    fn what_one_account_gives_the_other_gains_and_nothing_is_posted_for_nothing() {
        let five = Amount::from_units(5);
        let (out, into) = (Postings::withdrawal(shares(), five), Postings::deposit(shares(), five));
        let lines = |postings: &Postings| -> Vec<(LedgerAccount, i128, PostingReason)> {
            postings.iter().map(|posting| (posting.account, posting.change.units(), posting.reason)).collect()
        };
        use LedgerAccount::{Available, Outside};
        use PostingReason::{Deposit, Withdrawal};
        assert_eq!(lines(&into), [(Outside, -5, Deposit), (Available, 5, Deposit)]);
        assert_eq!(lines(&out), [(Available, -5, Withdrawal), (Outside, 5, Withdrawal)]);
        assert_eq!(Postings::deposit(shares(), Amount::ZERO), Postings::default());
    }

    #[test]
    fn a_users_accounts_never_go_below_zero_and_others_postings_touch_them_not() {
        let mut account = Account::default();
        assert_eq!(account.post(&moved(LedgerAccount::Available, 7)).map(|balance| balance.total().units()), Ok(7));
        assert_eq!(account.post(&moved(LedgerAccount::Reserved, 2)).map(|balance| balance.total().units()), Ok(9));
        let expected = Balance { available: Amount::from_units(7), reserved: Amount::from_units(2) };
        let overdrawn = account.post(&moved(LedgerAccount::Reserved, -3)).unwrap_err();
        assert_eq!(overdrawn.to_string(), "a trade posting of -0.0003 USD takes the reserved account below zero");
        for other in [LedgerAccount::Clearing, LedgerAccount::Fees, LedgerAccount::Outside, LedgerAccount::Adjustments]
        {
            assert_eq!(account.post(&moved(other, -100)), Ok(expected));
        }
        assert_eq!(account.balance(Asset::USD), expected);
        assert_eq!(account.balance(shares()), Balance::default());
        assert_eq!(account.iter().collect::<Vec<_>>(), [(Asset::USD, expected)]);
        assert!(account.post_all(&Postings::withdrawal(Asset::USD, Amount::from_units(8))).is_err());
        assert!(account.post_all(&Postings::withdrawal(Asset::USD, Amount::from_units(7))).is_ok(), "to exactly zero");
    }

    #[test]
    fn system_accounts_are_signed_and_take_no_users_postings() {
        let mut system = SystemAccounts::default();
        assert_eq!(system.post(&moved(LedgerAccount::Available, 1)), None);
        assert_eq!(system.post(&moved(LedgerAccount::Outside, -4)), Some(Amount::from_units(-4)));
        assert_eq!(system.post(&moved(LedgerAccount::Outside, 1)), Some(Amount::from_units(-3)));
        system.set(LedgerAccount::Fees, shares(), Amount::from_units(9));
        let all: Vec<_> = system.iter().collect();
        assert_eq!(
            all,
            [
                (LedgerAccount::Fees, shares(), Amount::from_units(9)),
                (LedgerAccount::Outside, Asset::USD, Amount::from_units(-3)),
            ]
        );
    }
}
