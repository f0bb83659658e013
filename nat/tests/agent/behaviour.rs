//! Single behaviours.
use std::time::Duration;
use crate::profile::profiles;
use crate::world::{Link, World};

#[test]
fn debug_one() {
    let all = profiles();
    let a = all.iter().find(|p| p.name == "seq").unwrap();
    let link = Link { direct: Duration::from_millis(39), relayed: Duration::from_millis(60), reflector: Duration::from_millis(40), loss: 0.0 };
    let t = crate::world::start();
    let mut world = World::new([a, a], link, 0);
    println!("made {:?}", t.elapsed());
    world.trace = true;
    world.introduce();
    world.run(Duration::from_secs(25), World::both_concluded);
    println!("ran {:?}", t.elapsed());
}
