//! The accounts and Regions to sweep.

use std::collections::BTreeSet;

use crate::delivery::AccountRegion;

/// The accounts and Regions to sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepPlaces {
    /// The accounts.
    pub accounts: SweepAccounts,
    /// The Regions.
    pub regions: SweepRegions,
}

/// The accounts to sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SweepAccounts {
    /// All accounts whose digests the trail delivers.
    OfTrail,
    /// These accounts.
    Listed(Vec<String>),
}

/// The Regions to sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SweepRegions {
    /// All Regions whose digests the trail delivers.
    OfTrail,
    /// These Regions.
    Listed(Vec<String>),
}

impl SweepPlaces {
    /// The accounts and Regions to sweep, given those whose digests have arrived.
    #[must_use]
    pub fn of(&self, trail: &BTreeSet<AccountRegion>) -> BTreeSet<AccountRegion> {
        let listed = |names: &[String], name: &String| names.contains(name);
        match (&self.accounts, &self.regions) {
            (SweepAccounts::Listed(accounts), SweepRegions::Listed(regions)) => {
                let place = |account: &String, region: &String| AccountRegion {
                    account: account.clone(),
                    region: region.clone(),
                };
                accounts.iter().flat_map(|account| regions.iter().map(|region| place(account, region))).collect()
            }
            (SweepAccounts::OfTrail, SweepRegions::Listed(regions)) => {
                // An account may have mappings in a listed Region from which no digests arrive.
                let accounts: BTreeSet<_> = trail.iter().map(|it| it.account.clone()).collect();
                let listed = SweepAccounts::Listed(accounts.into_iter().collect());
                Self { accounts: listed, regions: SweepRegions::Listed(regions.clone()) }.of(trail)
            }
            (SweepAccounts::Listed(accounts), SweepRegions::OfTrail) => {
                trail.iter().filter(|it| listed(accounts, &it.account)).cloned().collect()
            }
            (SweepAccounts::OfTrail, SweepRegions::OfTrail) => trail.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(account: &str, region: &str) -> AccountRegion {
        AccountRegion { account: account.to_owned(), region: region.to_owned() }
    }

    #[test]
    fn places_are_listed_or_those_of_the_trail() {
        let trail = BTreeSet::from([place("1", "us-east-1"), place("1", "eu-west-1"), place("2", "us-east-1")]);
        let listed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let accounts = [SweepAccounts::OfTrail, SweepAccounts::Listed(listed(&["1", "3"]))];
        let regions = [SweepRegions::OfTrail, SweepRegions::Listed(listed(&["eu-west-1"]))];
        let expected = [
            trail.iter().cloned().collect::<Vec<_>>(),
            vec![place("1", "eu-west-1"), place("2", "eu-west-1")],
            vec![place("1", "us-east-1"), place("1", "eu-west-1")],
            vec![place("1", "eu-west-1"), place("3", "eu-west-1")],
        ];
        let cases = accounts.iter().flat_map(|accounts| regions.iter().map(move |regions| (accounts, regions)));
        for ((accounts, regions), expected) in cases.zip(expected) {
            let places = SweepPlaces { accounts: accounts.clone(), regions: regions.clone() };
            assert_eq!(places.of(&trail), expected.into_iter().collect(), "{places:?}");
        }
    }
}
