#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

use std::fs;

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{Cost, Culprit, DatabaseKey, Passphrase, PassphraseError, Vault, VaultError};
use crate::home::{FileName, Home, LockedHome, fuse};

fn home() -> (TempDir, LockedHome) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap().lock().unwrap();
    (dir, home)
}

/// A source that never repeats itself within a test and gives the same bytes in every run.
fn counter() -> impl FnMut(&mut [u8]) -> Result<(), getrandom::Error> {
    let mut hasher = blake3::Hasher::new();
    move |bytes: &mut [u8]| {
        hasher.update(b"next");
        hasher.finalize_xof().fill(bytes);
        Ok(())
    }
}

fn phrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

fn unlock(home: &LockedHome, passphrase: Option<&str>) -> Result<[u8; 32], VaultError> {
    Vault::open(home)?
        .unlock(passphrase.map(phrase).as_ref())
        .map(|key| *key.as_bytes())
}

fn set(home: &LockedHome, old: Option<&str>, new: &str) -> Result<(), VaultError> {
    let mut vault = Vault::open(home)?;
    let key = vault.unlock(old.map(phrase).as_ref())?;
    vault.set_passphrase_at(Cost::FLOOR, &key, &phrase(new), &mut counter())
}

fn edit(home: &LockedHome, change: impl FnOnce(String) -> String) {
    let path = home.path(FileName::Vault);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed, "the test changes nothing");
    fs::write(path, changed).unwrap();
}

#[test]
fn a_new_vault_opens_with_its_key_file() {
    let (_dir, home) = home();
    let (_, key) = Vault::create(&home, &mut getrandom::fill).unwrap();
    assert_eq!(unlock(&home, None).unwrap(), *key.as_bytes());
    #[cfg(unix)]
    for file in [FileName::Key, FileName::Vault] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(home.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn two_profiles_have_two_keys() {
    let ((_a, home_a), (_b, home_b)) = (home(), home());
    let (_, a) = Vault::create(&home_a, &mut getrandom::fill).unwrap();
    let (_, b) = Vault::create(&home_b, &mut getrandom::fill).unwrap();
    assert_ne!(a.as_bytes(), b.as_bytes());
    assert_ne!(a.id(), b.id());
}

#[test]
fn an_existing_vault_is_never_replaced() {
    let (_dir, home) = home();
    Vault::create(&home, &mut counter()).unwrap();
    assert!(matches!(
        Vault::create(&home, &mut counter()),
        Err(VaultError::Exists { .. })
    ));
}

#[test]
fn a_database_without_vault_is_not_given_another_key() {
    let (_dir, home) = home();
    assert!(matches!(Vault::open(&home), Err(VaultError::Missing)));
    fs::write(home.path(FileName::Database), "x").unwrap();
    assert!(matches!(
        Vault::create(&home, &mut counter()),
        Err(VaultError::Orphan { .. })
    ));
}

#[test]
fn a_passphrase_replaces_the_key_file_and_back() {
    let (_dir, home) = home();
    let (_, key) = Vault::create(&home, &mut counter()).unwrap();
    set(&home, None, "one").unwrap();
    assert!(!home.path(FileName::Key).exists());
    assert!(matches!(unlock(&home, None), Err(VaultError::Locked)));
    assert!(matches!(
        unlock(&home, Some("two")),
        Err(VaultError::WrongPassphrase)
    ));
    assert_eq!(unlock(&home, Some("one")).unwrap(), *key.as_bytes());

    let mut vault = Vault::open(&home).unwrap();
    vault.remove_passphrase(&key, &mut getrandom::fill).unwrap();
    assert!(!vault.needs_passphrase());
    assert_eq!(unlock(&home, None).unwrap(), *key.as_bytes());
}

#[test]
fn a_passphrase_can_be_changed() {
    let (_dir, home) = home();
    let (_, key) = Vault::create(&home, &mut counter()).unwrap();
    set(&home, None, "one").unwrap();
    set(&home, Some("one"), "two").unwrap();
    assert!(matches!(
        unlock(&home, Some("one")),
        Err(VaultError::WrongPassphrase)
    ));
    assert_eq!(unlock(&home, Some("two")).unwrap(), *key.as_bytes());
}

#[test]
fn a_passphrase_typed_in_another_normal_form_opens() {
    let (_dir, home) = home();
    Vault::create(&home, &mut counter()).unwrap();
    set(&home, None, "caf\u{e9}").unwrap();
    unlock(&home, Some("cafe\u{301}")).unwrap();
}

#[test]
fn new_slots_cost_what_the_standard_says() {
    let (_dir, home) = home();
    let (mut vault, key) = Vault::create(&home, &mut counter()).unwrap();
    vault
        .set_passphrase(&key, &phrase("one"), &mut counter())
        .unwrap();
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(home.path(FileName::Vault)).unwrap()).unwrap();
    let cost = &json["slots"][0]["source"]["passphrase"]["cost"];
    assert_eq!(cost["memory_kib"], 65536);
    assert_eq!(cost["passes"], 3);
    assert_eq!(unlock(&home, Some("one")).unwrap(), *key.as_bytes());
}

#[test]
fn a_key_of_another_vault_changes_nothing() {
    let (_dir, home) = home();
    let (mut vault, _) = Vault::create(&home, &mut counter()).unwrap();
    let other = DatabaseKey::generate(&mut getrandom::fill).unwrap();
    assert!(matches!(
        vault.set_passphrase(&other, &phrase("one"), &mut counter()),
        Err(VaultError::ForeignKey)
    ));
    unlock(&home, None).unwrap();
}

/// Runs `change` with a crash after every number of file effects, and asks each time whether the
/// key still comes out the old way or the new way.
fn crash_everywhere(
    prepare: impl Fn(&LockedHome),
    change: impl Fn(&LockedHome) -> Result<(), VaultError>,
    opens: impl Fn(&LockedHome) -> Vec<Result<[u8; 32], VaultError>>,
) {
    for effects in 0.. {
        let (_dir, home) = home();
        let (_, key) = Vault::create(&home, &mut counter()).unwrap();
        prepare(&home);
        fuse::set(Some(effects));
        let done = change(&home).is_ok();
        fuse::set(None);
        assert!(
            opens(&home)
                .into_iter()
                .any(|opened| opened.is_ok_and(|opened| opened == *key.as_bytes())),
            "no slot opens after {effects} effects"
        );
        if done {
            assert!(effects > 3, "the fuse was never in the way");
            return;
        }
    }
}

#[test]
fn setting_a_passphrase_survives_a_crash_anywhere() {
    crash_everywhere(
        |_| {},
        |home| set(home, None, "one"),
        |home| vec![unlock(home, None), unlock(home, Some("one"))],
    );
}

#[test]
fn removing_a_passphrase_survives_a_crash_anywhere() {
    crash_everywhere(
        |home| set(home, None, "one").unwrap(),
        |home| {
            let mut vault = Vault::open(home)?;
            let key = vault.unlock(Some(&phrase("one")))?;
            vault.remove_passphrase(&key, &mut getrandom::fill)
        },
        |home| vec![unlock(home, None), unlock(home, Some("one"))],
    );
}

#[test]
fn creating_cut_short_anywhere_can_be_repeated() {
    for effects in 0..8 {
        let (_dir, home) = home();
        fuse::set(Some(effects));
        let cut = Vault::create(&home, &mut counter()).is_err();
        fuse::set(None);
        if cut && !home.path(FileName::Vault).exists() {
            Vault::create(&home, &mut getrandom::fill).unwrap();
        }
        unlock(&home, None).unwrap();
    }
}

#[test]
fn a_key_file_left_by_a_crash_goes_at_the_next_unlock() {
    let (_dir, home) = home();
    Vault::create(&home, &mut counter()).unwrap();
    set(&home, None, "one").unwrap();
    home.replace(FileName::Key, &[7; 32]).unwrap();
    assert!(unlock(&home, Some("wrong")).is_err());
    assert!(home.path(FileName::Key).exists());
    unlock(&home, Some("one")).unwrap();
    assert!(!home.path(FileName::Key).exists());
}

#[test]
fn a_missing_foreign_or_short_key_file_is_told_apart() {
    let (_dir, home) = home();
    Vault::create(&home, &mut counter()).unwrap();
    let culprit = |result| match result {
        Err(VaultError::Foreign { culprit, .. }) => culprit,
        other => panic!("{other:?}"),
    };
    home.replace(FileName::Key, &[7; 32]).unwrap();
    assert_eq!(culprit(unlock(&home, None)), Culprit::DoesNotOpen);
    for wrong in [&[7; 31][..], &[7; 33]] {
        home.replace(FileName::Key, wrong).unwrap();
        assert_eq!(culprit(unlock(&home, None)), Culprit::KeyLength);
    }
    home.remove(FileName::Key).unwrap();
    assert!(matches!(
        unlock(&home, None),
        Err(VaultError::KeyFileMissing { .. })
    ));
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, home) = home();
    Vault::create(&home, &mut counter()).unwrap();
    let path = home.path(FileName::Key);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = unlock(&home, None).unwrap_err();
    assert!(matches!(error, VaultError::Exposed { mode: 0o644, .. }));
    assert!(error.to_string().contains("chmod 600"));
}

#[test]
fn costs_outside_the_range_are_refused_before_they_are_paid() {
    let (_dir, home) = home();
    Vault::create(&home, &mut counter()).unwrap();
    set(&home, None, "one").unwrap();
    for (from, to) in [
        ("\"memory_kib\": 19456", "\"memory_kib\": 4000000000"),
        ("\"memory_kib\": 4000000000", "\"memory_kib\": 8"),
        ("\"memory_kib\": 8,", "\"memory_kib\": 19456,"),
    ] {
        edit(&home, |text| text.replace(from, to));
        let refused = matches!(
            Vault::open(&home),
            Err(VaultError::Foreign {
                culprit: Culprit::Cost(_),
                ..
            })
        );
        assert_eq!(refused, !to.contains("19456"), "{to}");
    }
    unlock(&home, Some("one")).unwrap();
}

#[test]
fn a_changed_parameter_within_the_range_opens_nothing() {
    let (_dir, home) = home();
    Vault::create(&home, &mut counter()).unwrap();
    set(&home, None, "one").unwrap();
    edit(&home, |text| text.replace("\"lanes\": 1", "\"lanes\": 2"));
    assert!(matches!(
        unlock(&home, Some("one")),
        Err(VaultError::WrongPassphrase)
    ));
}

#[test]
fn foreign_bytes_are_never_a_vault() {
    let (_dir, home) = home();
    Vault::create(&home, &mut counter()).unwrap();
    let good = fs::read_to_string(home.path(FileName::Vault)).unwrap();
    let foreign = |text: &str| {
        fs::write(home.path(FileName::Vault), text).unwrap();
        matches!(Vault::open(&home), Err(VaultError::Foreign { .. }))
    };
    assert!(foreign(""));
    assert!(foreign("{}"));
    assert!(foreign(&good[..good.len() / 2]));
    assert!(foreign(&good.replace("dchat-vault", "other-vault")));
    assert!(foreign(&good.replacen('{', "{\"extra\":1,", 1)));
    assert!(foreign(&good.replace("\"slots\"", "\"holes\"")));
    assert!(foreign(&format!("{good}{}", " ".repeat(16 * 1024))));
    assert!(!foreign(&good));
    fs::write(
        home.path(FileName::Vault),
        good.replace("\"version\": 1", "\"version\": 2"),
    )
    .unwrap();
    assert!(matches!(
        Vault::open(&home),
        Err(VaultError::Newer { version: 2, .. })
    ));
}

#[test]
fn debug_prints_no_secret() {
    let key = DatabaseKey::from_bytes(Zeroizing::new([0xab; 32]));
    assert_eq!(format!("{key:?}"), "DatabaseKey(..)");
    assert_eq!(format!("{:?}", phrase("hunter2")), "Passphrase(..)");
}

#[test]
fn an_empty_or_endless_passphrase_is_refused() {
    let refused = |text: String| Passphrase::new(Zeroizing::new(text)).unwrap_err();
    assert_eq!(refused(String::new()), PassphraseError::Empty);
    assert_eq!(refused("x".repeat(1025)), PassphraseError::TooLong);
}
