use super::*;
use crate::storage::read_whole;

fn written(directory: &Simulated, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = directory.create(name).unwrap();
    file.write(bytes).unwrap();
    file
}

#[test]
fn what_was_synced_survives_a_power_cut_and_what_was_not_may_not() {
    let mut lost = 0;
    for seed in 0..500 {
        let directory = Simulated::new(seed);
        let file = written(&directory, "a", &[1; 1_500]);
        file.sync().unwrap();
        directory.sync().unwrap();
        file.write(&[2; 3_000]).unwrap();
        written(&directory, "b", b"unsynced");
        let left = directory.after_power_cut();
        let bytes = left.bytes("a").unwrap();
        assert_eq!(bytes[..1_500], [1; 1_500], "seed {seed}");
        assert!(bytes.len() <= 4_500);
        let whole = bytes.len() == 4_500 && bytes[1_500..] == [2; 3_000];
        lost += u32::from(!whole || left.bytes("b").is_none());
    }
    assert!(lost > 400, "{lost}");
}

#[test]
fn a_failed_sync_drops_what_it_was_to_write() {
    for seed in 0..100 {
        let directory = Simulated::new(seed);
        let file = written(&directory, "a", b"dropped");
        directory.fail_after(0, Operation::Sync);
        file.sync().unwrap_err();
        file.sync().unwrap();
        directory.sync().unwrap();
        assert_eq!(directory.bytes("a").unwrap(), b"dropped");
        let left = directory.after_power_cut();
        assert_eq!(left.bytes("a").unwrap(), [0; 7], "seed {seed}");
    }
}

#[test]
fn a_rename_happens_whole_or_not_at_all() {
    let mut renamed = 0;
    for seed in 0..200 {
        let directory = Simulated::new(seed);
        written(&directory, "old", b"1").sync().unwrap();
        written(&directory, "new", b"2").sync().unwrap();
        directory.sync().unwrap();
        directory.rename("new", "old").unwrap();
        let left = directory.after_power_cut();
        match left.bytes("old").unwrap().as_slice() {
            b"1" => assert_eq!(left.bytes("new").unwrap(), b"2"),
            b"2" => {
                renamed += 1;
                assert_eq!(left.bytes("new"), None);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((50..150).contains(&renamed), "{renamed}");
}

#[test]
fn it_fills_up_in_the_middle_of_a_write_and_goes_read_only() {
    let directory = Simulated::new(1);
    directory.set_bytes_max(10);
    let file = written(&directory, "a", b"1234");
    let full = file.write(b"567890123").unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    assert_eq!(read_whole(&directory, "a", 100).unwrap(), b"1234567890");
    directory.remove("a").unwrap();
    written(&directory, "b", b"1234567890");

    directory.set_read_only(true);
    let refused = directory.create("c").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ReadOnlyFilesystem);
    assert!(file.write(b"x").is_err() && file.sync().is_err());
    assert_eq!(directory.names().unwrap(), ["b"]);
    assert_eq!(directory.length("b").unwrap(), 10);
    let too_large = read_whole(&directory, "b", 9).unwrap_err();
    assert_eq!(too_large.kind(), io::ErrorKind::FileTooLarge);
}
