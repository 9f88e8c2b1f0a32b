//! Files of a run: they lie in memory, and each run begins without any.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_explore::{
    Explore,
    runtime::{fs, spawn},
};
use futures_util::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use std::{fs::OpenOptions, io::ErrorKind, io::SeekFrom};

fn coarse(schedules: u64) -> Explore {
    Explore::new().coarse().schedules(schedules)
}

#[test]
fn files_and_folders_are_those_of_the_run() {
    coarse(300)
        .explore(|| async {
            assert!(!fs::try_exists("/kitchen").await.unwrap(), "a run begins without files");
            let missing = fs::write("/kitchen/menu", "soup").await.unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
            fs::create_dir_all("/kitchen/recipes").await.unwrap();
            fs::write("/kitchen/menu", "soup").await.unwrap();
            assert_eq!(fs::read_to_string("kitchen/recipes/../menu").await.unwrap(), "soup");
            assert_eq!(fs::metadata("/kitchen/menu").await.unwrap().len(), 4);
            assert!(fs::metadata("/kitchen").await.unwrap().is_dir());
            fs::hard_link("/kitchen/menu", "/kitchen/same").await.unwrap();
            fs::rename("/kitchen", "/hall").await.unwrap();
            fs::write("/hall/menu", "bread").await.unwrap();
            assert_eq!(fs::read("/hall/same").await.unwrap(), b"bread");
            assert_eq!(fs::copy("/hall/menu", "/hall/recipes/bread").await.unwrap(), 5);
            assert_eq!(
                fs::remove_dir("/hall/recipes").await.unwrap_err().kind(),
                ErrorKind::DirectoryNotEmpty
            );
            assert_eq!(fs::remove_file("/hall").await.unwrap_err().kind(), ErrorKind::IsADirectory);
            assert_eq!(fs::read("/hall/menu/x").await.unwrap_err().kind(), ErrorKind::NotADirectory);
            assert_eq!(fs::create_dir("/hall").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
            assert_eq!(fs::canonicalize("/hall/./menu").await.unwrap().to_str(), Some("/hall/menu"));
            fs::remove_file("/hall/menu").await.unwrap();
            assert_eq!(fs::read("/hall/menu").await.unwrap_err().kind(), ErrorKind::NotFound);
            fs::remove_dir_all("/hall").await.unwrap();
            assert!(!fs::try_exists("/hall/same").await.unwrap());
        })
        .expect_pass();
}

#[test]
fn an_open_file_reads_writes_and_seeks() {
    coarse(300)
        .explore(|| async {
            let mut file = fs::File::create("/tmp/menu").await.unwrap();
            file.write_all(b"soup, bread").await.unwrap();
            file.flush().await.unwrap();
            let mut new = OpenOptions::new();
            new.write(true).create_new(true);
            let taken = fs::File::open_with("/tmp/menu", new.clone()).await.unwrap_err();
            assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
            fs::File::open_with("/tmp/other", new).await.unwrap();
            let mut more = OpenOptions::new();
            more.append(true);
            let mut appending = fs::File::open_with("/tmp/menu", more).await.unwrap();
            appending.write_all(b", tea").await.unwrap();
            appending.flush().await.unwrap();
            let mut file = fs::File::open("/tmp/menu").await.unwrap();
            assert_eq!(file.seek(SeekFrom::Start(6)).await.unwrap(), 6);
            let mut rest = String::new();
            file.read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "bread, tea");
            assert_eq!(fs::File::open("/tmp/none").await.unwrap_err().kind(), ErrorKind::NotFound);
        })
        .expect_pass();
}

/// One task writes a menu anew while another one reads it.
async fn renew_the_menu(renames: bool) {
    fs::write("/tmp/menu", "soup").await.unwrap();
    let cook = spawn(async move {
        if renames {
            fs::write("/tmp/menu.new", "bread").await.unwrap();
            fs::rename("/tmp/menu.new", "/tmp/menu").await.unwrap();
        } else {
            fs::write("/tmp/menu", "bread").await.unwrap();
        }
    });
    let menu = fs::read_to_string("/tmp/menu").await.unwrap();
    cook.await.unwrap();
    assert!(["soup", "bread"].contains(&menu.as_str()), "the menu is {menu:?}");
}

#[test]
fn a_file_that_is_written_in_place_is_seen_empty() {
    let torn = coarse(5_000).explore(|| renew_the_menu(false)).expect_failure();
    assert!(torn.failure.message.contains("the menu is \"\""), "{torn}");
    assert!(torn.schedule.deviations().len() <= 2, "{torn}");
}

#[test]
fn a_file_that_is_renamed_into_place_is_always_whole() {
    coarse(2_000).explore(|| renew_the_menu(true)).expect_pass();
}

#[test]
fn links_and_listings_are_refused_by_name() {
    coarse(10)
        .explore(|| async {
            let link = fs::symlink("/tmp", "/link").await.unwrap_err();
            assert!(link.to_string().contains("fs::symlink"), "{link}");
            let listing = fs::read_dir("/tmp").await.unwrap_err();
            assert!(listing.to_string().contains("fs::read_dir"), "{listing}");
        })
        .expect_pass();
}
