package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// LibraryEnv names the environment variable with the path of libchdb.
const LibraryEnv = "SLUICE_CHDB_LIB"

const libraryName = "libchdb.so"

// packages maps Go's names of a platform to the npm package of package.json
// that holds its library.
var packages = map[string]string{
	"linux/amd64": "lib-linux-x64-gnu",
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
		if target, err := filepath.EvalSymlinks(exe); err == nil {
			exe = target
		}
		dir := filepath.Dir(exe)
		tried = append(tried, filepath.Join(dir, libraryName), filepath.Join(dir, "lib", libraryName))
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if root, err := moduleRoot(); err == nil && packages[platform] != "" {
		tried = append(tried, filepath.Join(root, "deploy", "local", "node_modules", "@chdb", packages[platform], libraryName))
	}
	for _, path := range tried {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	if packages[platform] == "" {
		return "", fmt.Errorf("finding the ClickHouse library: none is packaged for %s; name a libchdb of version 26.7 in %s, or use a ClickHouse server (SLUICE_CLICKHOUSE_URL)", platform, LibraryEnv)
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
		if text, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(text), "module sluice\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("the working directory is not in the module sluice")
		}
		dir = parent
	}
}
