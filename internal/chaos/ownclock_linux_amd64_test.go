package chaos_test

import (
	"bytes"
	"debug/elf"
	native "encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// canShift: this process can be given a clock of its own.
const canShift = true

// shiftOwnClock lets this process live so many seconds ahead as the first eight bytes of a file say, at every moment: what time it
// is comes from the kernel's page in the process (vDSO), whose function leads to one of ours from here on. Monotonic time stays.
func shiftOwnClock(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	seconds, err := syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	from, until, at, err := clockFunction()
	if err != nil {
		return err
	}
	ours := []byte{
		0xB8, 0xE4, 0, 0, 0, // mov eax, 228: clock_gettime
		0x0F, 0x05, // syscall
		0x85, 0xFF, // test edi, edi: CLOCK_REALTIME is 0
		0x75, 0x10, // jne to the ret
		0x48, 0xB9, 0, 0, 0, 0, 0, 0, 0, 0, // mov rcx, address of the seconds
		0x48, 0x8B, 0x09, // mov rcx, [rcx]
		0x48, 0x01, 0x0E, // add [rsi], rcx
		0xC3, // ret
	}
	native.LittleEndian.PutUint64(ours[13:], uint64(uintptr(unsafe.Pointer(&seconds[0]))))
	stub, err := near(from, ours)
	if err != nil {
		return err
	}
	if _, _, e := syscall.Syscall(syscall.SYS_MPROTECT, from, until-from, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC); e != 0 {
		return fmt.Errorf("the vDSO cannot be written: %w", e)
	}
	if at%8 != 0 {
		return errors.New("the vDSO's function does not start at eight bytes")
	}
	word := (*uint64)(pointer(at)) // other threads read the clock meanwhile: one store
	jump := *word&^(1<<40-1) | 0xE9 | uint64(uint32(int32(int64(stub)-int64(at)-5)))<<8
	atomic.StoreUint64(word, jump)
	return nil
}

// clockFunction finds the vDSO and clock_gettime in it.
func clockFunction() (from, until, at uintptr, err error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return 0, 0, 0, err
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "[vdso]") {
			if _, err := fmt.Sscanf(line, "%x-%x", &from, &until); err != nil {
				return 0, 0, 0, err
			}
		}
	}
	if from == 0 {
		return 0, 0, 0, errors.New("no vDSO")
	}
	image, err := elf.NewFile(bytes.NewReader(bytes.Clone(unsafe.Slice((*byte)(pointer(from)), until-from))))
	if err != nil {
		return 0, 0, 0, err
	}
	symbols, err := image.DynamicSymbols()
	if err != nil {
		return 0, 0, 0, err
	}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" {
			return from, until, from + uintptr(s.Value), nil
		}
	}
	return 0, 0, 0, errors.New("the vDSO has no clock_gettime")
}

// near puts code where a jump of 32 bits reaches it.
func near(page uintptr, code []byte) (uintptr, error) {
	const fixed = 0x100000 // MAP_FIXED_NOREPLACE
	size := uintptr(os.Getpagesize())
	for n := uintptr(16); n < 4096; n++ {
		want := page&^(size-1) - n*size
		got, _, e := syscall.Syscall6(syscall.SYS_MMAP, want, size, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC,
			syscall.MAP_PRIVATE|syscall.MAP_ANON|fixed, ^uintptr(0), 0)
		if e != 0 || got != want {
			continue
		}
		copy(unsafe.Slice((*byte)(pointer(got)), len(code)), code)
		return got, nil
	}
	return 0, errors.New("no room near the vDSO")
}

// pointer is an address outside Go's heap.
func pointer(at uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }
