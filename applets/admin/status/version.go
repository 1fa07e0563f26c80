package status

import (
	"context"

	"chatmaild/applets/admin/host"
)

// newVersion tells of a version in the package archive that is not installed. A chatmaild
// that is in no package, such as in a container, has nothing to say.
func newVersion(ctx context.Context, e *examiner) {
	versions, err := host.PackageVersions(ctx, e.machine, "chatmaild")
	if err != nil {
		e.say("version", notice, "apt update", "%v", err)
		return
	}
	if versions.Installed != "" {
		e.findings = append(e.findings, versionFinding(versions))
	}
}

func versionFinding(v host.Versions) finding {
	if v.Candidate == "" || v.Candidate == v.Installed {
		return finding{"version", fine, v.Installed + "; apt knows no newer one", ""}
	}
	return finding{"version", notice, v.Candidate + " is in the archive; this is " + v.Installed,
		"apt install chatmaild; unattended-upgrades does that every day"}
}
