//! Where the loaded executable lies, as the loader tells. A port must provide `read`, and
//! `is_run_by_loader` where a loader can be a command.

pub(crate) use imp::{is_run_by_loader, read};

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
mod imp {
    use super::super::Image;
    use crate::image::xxh64::xxh64;
    use std::slice;

    /// The note that holds the linker's build id: owner "GNU", type 3.
    const BUILD_ID: u32 = 3;

    pub(crate) fn read() -> Image {
        let mut image = Image { base: 0, constant: Vec::new(), code: Vec::new(), fingerprint: 0 };
        // SAFETY: the callback matches the signature, and `image` outlives the call that hands it back as
        // `data`.
        unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut image).cast()) };
        image
    }

    /// Whether the kernel has started the loader as a program, which has loaded this one: `ld.so program`.
    ///
    /// The kernel tells where the code of the file that it started lies. Usually that is in the first
    /// object of the process, which is the executable. If it lies in none (an emulator, say), nothing is
    /// known, and the answer is no.
    pub(crate) fn is_run_by_loader() -> bool {
        let Some(start) = start_of_code() else { return false };
        let mut search = Search { start, objects: 0, found: None };
        // SAFETY: the callback matches the signature, and `search` outlives the call that hands it back as
        // `data`.
        unsafe { libc::dl_iterate_phdr(Some(search_object), (&raw mut search).cast()) };
        search.found.is_some_and(|object| object > 0)
    }

    /// Where the kernel has put the code of the file that it started: field 26 of `/proc/self/stat`.
    fn start_of_code() -> Option<usize> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The program's name is in parentheses and may hold anything. After it come the fields 3 and up.
        stat.rsplit_once(')')?.1.split_whitespace().nth(26 - 3)?.parse().ok()
    }

    /// Which of the process's objects holds an address.
    struct Search {
        start: usize,
        objects: usize,
        found: Option<usize>,
    }

    unsafe extern "C" fn search_object(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        data: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: the loader hands us a valid description of the object.
        let info = unsafe { &*info };
        // SAFETY: it names the object's program headers, which are loaded and constant.
        let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        // SAFETY: `is_run_by_loader` passed its search, which nobody else touches meanwhile.
        let search = unsafe { &mut *data.cast::<Search>() };
        let holds = headers.iter().filter(|header| header.p_type == libc::PT_LOAD).any(|header| {
            let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
            (start..start.wrapping_add(header.p_memsz as usize)).contains(&search.start)
        });
        if holds {
            search.found = Some(search.objects);
        }
        search.objects += 1;
        libc::c_int::from(holds)
    }

    /// Reads the first object, which is the executable, and ends the iteration.
    unsafe extern "C" fn first(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        data: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: the loader hands us a valid description of the object.
        let info = unsafe { &*info };
        // SAFETY: it names the object's program headers, which are loaded and constant.
        let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        // SAFETY: `read` passed its image, which nobody else touches meanwhile.
        let image = unsafe { &mut *data.cast::<Image>() };
        describe(image, info.dlpi_addr as usize, headers);
        1
    }

    fn describe(image: &mut Image, base: usize, headers: &[libc::Elf64_Phdr]) {
        image.base = base;
        let (mut hash, mut has_build_id) = (0, false);
        for header in headers {
            let start = base.wrapping_add(header.p_vaddr as usize);
            let range = start..start.wrapping_add(header.p_memsz as usize);
            let readable = header.p_flags & libc::PF_R != 0;
            match header.p_type {
                libc::PT_LOAD if readable && header.p_flags & libc::PF_W == 0 => {
                    image.constant.push(range.clone());
                }
                libc::PT_GNU_RELRO => image.constant.push(range.clone()),
                libc::PT_NOTE => {
                    let note = bytes(&range);
                    has_build_id |= holds_build_id(note);
                    hash = xxh64(note, hash);
                }
                _ => {}
            }
            if header.p_type == libc::PT_LOAD && readable && header.p_flags & libc::PF_X != 0 {
                image.code.push(range);
            }
            let shape = [header.p_type.into(), header.p_offset, header.p_vaddr, header.p_filesz];
            hash = shape.iter().fold(hash, |hash, part: &u64| xxh64(&part.to_le_bytes(), hash));
        }
        if !has_build_id {
            hash = image.code.iter().fold(hash, |hash, range| xxh64(bytes(range), hash));
        }
        image.fingerprint = hash;
    }

    /// Whether the linker's build id is among these notes. Each note is: the lengths of its name and of its
    /// description, its type, and the two, each filled up to four bytes. A linker may put other notes
    /// before it.
    fn holds_build_id(mut notes: &[u8]) -> bool {
        while let Some((head, rest)) = notes.split_first_chunk::<12>() {
            let [name, description, kind] =
                [0, 4, 8].map(|at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
            if kind == BUILD_ID && rest.starts_with(b"GNU\0") {
                return true;
            }
            let length = [name, description].map(|length| (length as usize).next_multiple_of(4)).iter().sum();
            let Some(next) = rest.get(length..) else { return false };
            notes = next;
        }
        false
    }

    /// A loaded, readable part of the image that nobody writes.
    fn bytes(range: &std::ops::Range<usize>) -> &'static [u8] {
        // SAFETY: only called for PT_NOTE and for readable code of the executable itself, which stay mapped
        // while the process lives and are not written.
        unsafe { slice::from_raw_parts(range.start as *const u8, range.len()) }
    }
}

#[cfg(target_os = "macos")]
mod imp {
    use super::super::Image;
    use crate::image::xxh64::xxh64;
    use std::{ffi::CStr, slice};

    /// The loader is no command here.
    pub(crate) fn is_run_by_loader() -> bool {
        false
    }

    pub(crate) fn read() -> Image {
        let mut image = Image { base: 0, constant: Vec::new(), code: Vec::new(), fingerprint: 0 };
        // SAFETY: image 0 is the executable, which is always loaded.
        let slide = unsafe { libc::_dyld_get_image_vmaddr_slide(0) } as usize;
        // SAFETY: as above.
        let header = unsafe { libc::_dyld_get_image_header(0) }.cast::<libc::mach_header_64>();
        image.base = header as usize;
        // SAFETY: a 64-bit process has a 64-bit header, followed by `sizeofcmds` bytes of load commands.
        let (count, size) = unsafe { ((*header).ncmds, (*header).sizeofcmds as usize) };
        // SAFETY: the commands follow the header.
        let start = unsafe { header.add(1) }.cast::<u8>();
        // SAFETY: as said above; they are constant.
        let commands = unsafe { slice::from_raw_parts(start, size) };
        // The commands hold the build's UUID, so their hash is the fingerprint.
        image.fingerprint = xxh64(commands, 0);
        let mut at = 0;
        for _ in 0..count {
            // SAFETY: the loader has checked the commands, and `at` is where one begins.
            let command = unsafe { &*start.add(at).cast::<libc::load_command>() };
            if command.cmd == libc::LC_SEGMENT_64 {
                // SAFETY: a command of this kind is a `segment_command_64`.
                let segment = unsafe { &*start.add(at).cast::<libc::segment_command_64>() };
                // SAFETY: the name is a C string, padded with zeros ("__TEXT", "__DATA_CONST").
                let name = unsafe { CStr::from_ptr(segment.segname.as_ptr()) };
                let from = slide.wrapping_add(segment.vmaddr as usize);
                let range = from..from.wrapping_add(segment.vmsize as usize);
                if name == c"__TEXT" {
                    image.code.push(range.clone());
                }
                if name == c"__TEXT" || name == c"__DATA_CONST" {
                    image.constant.push(range);
                }
            }
            at += command.cmdsize as usize;
        }
        image
    }
}
