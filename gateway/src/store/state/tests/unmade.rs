//! Checkpoints whose files are made with the first commit.

use super::super::Unmade;
use super::*;

fn unmade(engine: Engine, path: &Path) -> Unmade {
    Unmade::new(engine, path.to_owned(), FOLD, vec![set(Table::Meta, "log", "mine")]).unwrap()
}

#[test]
fn the_first_commit_makes_the_files_with_the_rows_that_belong_into_them() {
    with_each(|engine, path| {
        let mut state = unmade(engine, path);
        assert_eq!(state.get(Table::Meta, b"log").unwrap(), Some(b"mine".to_vec()), "known before");
        assert!(!path.exists());
        state.commit(vec![set(Table::Halo, "ann", "1")]).unwrap();
        state.commit(vec![set(Table::Halo, "bea", "2")]).unwrap();
        assert_eq!(state.count(Table::Halo).unwrap(), 2);
        drop(state);
        let again = engine.open(path, FOLD).unwrap();
        assert_eq!(again.get(Table::Meta, b"log").unwrap(), Some(b"mine".to_vec()));
        assert_eq!(again.rows(Table::Halo).unwrap().len(), 2);
    });
}

#[test]
fn files_that_cannot_be_made_are_made_by_a_later_commit_and_what_is_half_made_goes() {
    with_each(|engine, path| {
        let folder = path.parent().unwrap().join("later");
        let path = folder.join("state");
        let mut state = unmade(engine, &path);
        if engine == Engine::Redb {
            let failed = state.commit(vec![set(Table::Halo, "ann", "1")]).unwrap_err();
            assert!(!failed.rebuilds(), "{failed}");
        }
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&path, b"half made").unwrap();
        state.commit(vec![set(Table::Halo, "ann", "1")]).unwrap();
        drop(state);
        assert_eq!(engine.open(&path, FOLD).unwrap().rows(Table::Meta).unwrap().len(), 2, "its label and its version");
    });
}

#[test]
fn an_engine_that_this_build_does_not_have_is_told_at_once() {
    for engine in Engine::ALL.into_iter().filter(|engine| !engine.is_built()) {
        let made = Unmade::new(engine, PathBuf::from("nowhere"), FOLD, Vec::new());
        assert!(matches!(made.err(), Some(StateError::NotBuilt(_))));
    }
}
