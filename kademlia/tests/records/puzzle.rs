//! The puzzle: what is found is accepted, and nothing else follows from it.

use dchat_kademlia::puzzle::{Memory, Solver};

#[test]
fn a_solution_is_accepted_and_leads_where_it_said() {
    let mut solver = Solver::new([5; 32], 3, 0).unwrap();
    let solution = solver.step(1000).unwrap();
    let mut memory = Memory::new().unwrap();
    let at = memory.verify(&[5; 32], solution.nonce, 3);
    assert_eq!(at, Some(solution.at));
}

#[test]
fn nonces_before_the_solution_are_refused() {
    let mut solver = Solver::new([6; 32], 3, 0).unwrap();
    let solution = solver.step(1000).unwrap();
    let mut memory = Memory::new().unwrap();
    for nonce in 0..solution.nonce {
        assert_eq!(memory.verify(&[6; 32], nonce, 3), None);
    }
}

#[test]
fn slices_find_what_one_search_finds() {
    let mut whole = Solver::new([7; 32], 4, 0).unwrap();
    let mut sliced = Solver::new([7; 32], 4, 0).unwrap();
    let expected = whole.step(10_000).unwrap();
    let found = (0..10_000).find_map(|_| {
        let from = sliced.next_nonce();
        sliced = Solver::new([7; 32], 4, from).unwrap();
        sliced.step(3)
    });
    assert_eq!(found, Some(expected));
}

#[test]
fn without_difficulty_nonce_0_will_do() {
    let solution = Solver::new([8; 32], 0, 0).unwrap().step(1).unwrap();
    assert_eq!(solution.nonce, 0);
}

#[test]
fn an_impossible_difficulty_accepts_nothing() {
    assert_eq!(Memory::new().unwrap().verify(&[8; 32], 0, u8::MAX), None);
}

#[test]
fn another_key_or_nonce_leads_elsewhere() {
    let mut memory = Memory::new().unwrap();
    let here = memory.verify(&[1; 32], 1, 0).unwrap();
    assert_ne!(memory.verify(&[2; 32], 1, 0).unwrap(), here);
    assert_ne!(memory.verify(&[1; 32], 2, 0).unwrap(), here);
    // Memory that was used before yields the same as fresh one.
    assert_eq!(memory.verify(&[1; 32], 1, 0).unwrap(), here);
    assert_eq!(Memory::new().unwrap().verify(&[1; 32], 1, 0).unwrap(), here);
}

#[test]
fn a_position_does_not_depend_on_the_difficulty() {
    let solution = Solver::new([9; 32], 2, 0).unwrap().step(1000).unwrap();
    let mut memory = Memory::new().unwrap();
    assert_eq!(
        memory.verify(&[9; 32], solution.nonce, 0),
        Some(solution.at)
    );
}

/// Argon2id with the parameters of spec `70-dht` §2, by the crate's own interface.
#[test]
fn a_position_follows_from_argon2id() {
    let params = argon2::Params::new(1024, 1, 1, Some(64)).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut out = [0; 64];
    let password = [[3; 32].as_slice(), &77_u64.to_le_bytes()].concat();
    argon2
        .hash_password_into(&password, b"dchat/1 dht puzzle", &mut out)
        .unwrap();
    let at = blake3::derive_key("dchat/1 2026-11 dht position", &out[8..]);
    assert_eq!(
        Memory::new().unwrap().verify(&[3; 32], 77, 0).unwrap().0,
        at
    );
}
