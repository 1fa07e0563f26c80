package debian

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Checkout is the directory of the checkout: the one with our go.mod, at or above
// the working directory.
func Checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module chatmaild\n") {
			return dir, nil
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		return "", errors.New("no go.mod of chatmaild at or above the working directory")
	}
}

// Deb returns the package to test: $CHATMAILD_DEB, or the newest one for this
// machine in the checkout's build directory.
func Deb() (string, error) {
	if deb := os.Getenv("CHATMAILD_DEB"); deb != "" {
		return deb, nil
	}
	dir, err := Checkout()
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "build", "chatmaild_*_"+runtime.GOARCH+".deb"))
	if err != nil {
		return "", err
	}
	var newest string
	var when time.Time
	for _, f := range found {
		info, err := os.Stat(f)
		if err != nil {
			return "", err
		}
		if info.ModTime().After(when) {
			newest, when = f, info.ModTime()
		}
	}
	if newest == "" {
		return "", errors.New("no package in build/; run: make deb")
	}
	return newest, nil
}

// Image returns the OCI image in the checkout's build directory.
func Image() (string, error) {
	dir, err := Checkout()
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "build", "chatmaild_*_"+runtime.GOARCH+".oci.tar"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d images in build/; run: make image", len(found))
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}
