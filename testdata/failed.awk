# What failed in the output of "go test -v", each test with what it said itself: that
# of the tests that passed, which may be thousands of lines, is left out.

BEGIN { most = 60 } # lines of a test, and of a panic

/^-test\.shuffle / { next }
/^=== / { test = $3; next }
/^ *--- FAIL/ { print; printf "%s", said[$3]; next }
/^ *--- / { next }
/^(ok|PASS|FAIL|\?)/ { # the end of a package
	test = ""
	split("", said); split("", lines)
	if (/^FAIL/) print
	next
}
/^panic:/ { left = most }
left > 0 { left--; print; next }
test == "" { print; next } # of no test: it does not build
lines[test]++ < most { said[test] = said[test] $0 "\n" }
