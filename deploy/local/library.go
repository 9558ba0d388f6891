package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// LibraryEnv names the environment variable with the path of libchdb.
const LibraryEnv = "SLUICE_CHDB_LIB"

// libraryName is the same on every platform: the packages ship it as .so on
// macOS too.
const libraryName = "libchdb.so"

// platforms maps Go's names to the npm packages that hold the library.
var platforms = map[string]string{
	"linux/amd64":  "lib-linux-x64-gnu",
	"linux/arm64":  "lib-linux-arm64-gnu",
	"darwin/amd64": "lib-darwin-x64",
	"darwin/arm64": "lib-darwin-arm64",
}

// findLibrary looks where the library may be, in order: the path given, the
// environment, beside the executable, lib/ beside it, and the packages that
// `npm ci --prefix deploy/local` installs in this module.
func findLibrary(given string) (string, error) {
	for _, named := range []struct{ path, from string }{{given, "the option Library"}, {os.Getenv(LibraryEnv), LibraryEnv}} {
		if named.path == "" {
			continue
		}
		if _, err := os.Stat(named.path); err != nil {
			return "", fmt.Errorf("finding the ClickHouse library that %s names: %w", named.from, err)
		}
		return named.path, nil
	}
	var tried []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dir := filepath.Dir(exe)
		tried = append(tried, filepath.Join(dir, libraryName), filepath.Join(dir, "lib", libraryName))
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if root, err := moduleRoot(); err == nil && platforms[platform] != "" {
		tried = append(tried, filepath.Join(root, "deploy", "local", "node_modules", "@chdb", platforms[platform], libraryName))
	}
	for _, path := range tried {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	if platforms[platform] == "" {
		return "", fmt.Errorf("finding the ClickHouse library: there is none for %s; use a ClickHouse server (SLUICE_CLICKHOUSE_URL)", platform)
	}
	return "", fmt.Errorf("finding the ClickHouse library %s: it is not beside the program nor in deploy/local; run `make build`, or name it in %s", libraryName, LibraryEnv)
}

// moduleRoot walks up from the working directory to Sluice's own go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}
