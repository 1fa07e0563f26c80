package unit

import (
	"errors"
	"strings"
)

// setter applies an assignment.
type setter func(u *Unit, value string) error

// directives are those that are applied, by section and name.
var directives = map[string]setter{
	"[Unit] PartOf":                   list(func(u *Unit) *[]string { return &u.PartOf }),
	"[Unit] Wants":                    list(func(u *Unit) *[]string { return &u.Wants }),
	"[Unit] Requires":                 list(func(u *Unit) *[]string { return &u.Requires }),
	"[Unit] ConditionPathExists":      condition(false),
	"[Unit] ConditionPathIsDirectory": condition(true),
	"[Unit] StartLimitIntervalSec":    span(func(u *Unit) *duration { return &u.StartInterval }),
	"[Unit] StartLimitBurst":          number(func(u *Unit) *int { return &u.StartLimit }),
	"[Install] Alias":                 list(func(u *Unit) *[]string { return &u.Aliases }),

	"[Service] Type":                     oneOf(func(u *Unit) *string { return &u.Type }, "notify", "simple", "exec", "oneshot"),
	"[Service] ExecStart":                commands(func(u *Unit) *[]Command { return &u.Start }),
	"[Service] ExecStartPre":             commands(func(u *Unit) *[]Command { return &u.StartPre }),
	"[Service] ExecStartPost":            commands(func(u *Unit) *[]Command { return &u.StartPost }),
	"[Service] ExecReload":               commands(func(u *Unit) *[]Command { return &u.Reload }),
	"[Service] ExecStop":                 commands(func(u *Unit) *[]Command { return &u.Stop }),
	"[Service] ExecStopPost":             commands(func(u *Unit) *[]Command { return &u.StopPost }),
	"[Service] KillSignal":               oneOf(func(u *Unit) *string { return &u.KillSignal }, "SIGTERM", "SIGQUIT"),
	"[Service] PIDFile":                  text(func(u *Unit) *string { return &u.PIDFile }),
	"[Service] Restart":                  oneOf(func(u *Unit) *string { return &u.Restart }, "no", "on-failure", "always"),
	"[Service] RestartSec":               span(func(u *Unit) *duration { return &u.RestartDelay }),
	"[Service] RestartPreventExitStatus": statuses,
	"[Service] TimeoutStartSec":          span(func(u *Unit) *duration { return &u.StartTimeout }),
	"[Service] TimeoutStopSec":           span(func(u *Unit) *duration { return &u.StopTimeout }),
	"[Service] WatchdogSec":              span(func(u *Unit) *duration { return &u.Watchdog }),
	"[Service] Sockets":                  list(func(u *Unit) *[]string { return &u.Sockets }),
	"[Service] User":                     text(func(u *Unit) *string { return &u.User }),
	"[Service] DynamicUser":              yes(func(u *Unit) *bool { return &u.DynamicUser }),
	"[Service] SupplementaryGroups":      list(func(u *Unit) *[]string { return &u.Groups }),
	"[Service] Environment":              list(func(u *Unit) *[]string { return &u.Environment }),
	"[Service] LoadCredential":           credential,
	"[Service] RuntimeDirectory":         directory,
	"[Service] RuntimeDirectoryMode":     mode(func(u *Unit) *fileMode { return &u.RuntimeMode }),
	"[Service] UMask":                    mode(func(u *Unit) *fileMode { return &u.Umask }),
	"[Service] LimitNOFILE":              number(func(u *Unit) *int { return &u.Files }),
	"[Service] LimitCORE": func(u *Unit, value string) error {
		u.NoCore = true
		return want(value, "0")
	},
	"[Service] NoNewPrivileges":       yes(func(u *Unit) *bool { return &u.NoNewPrivs }),
	"[Service] CapabilityBoundingSet": capabilities,
	"[Service] Nice":                  number(func(u *Unit) *int { return &u.Nice }),
	"[Service] CPUSchedulingPolicy": func(u *Unit, value string) error {
		u.Batch = true
		return want(value, "batch")
	},
	"[Service] IOSchedulingClass": func(u *Unit, value string) error {
		u.IdleIO = true
		return want(value, "idle")
	},

	"[Socket] ListenStream":       listen(false),
	"[Socket] ListenDatagram":     listen(true),
	"[Socket] FileDescriptorName": text(func(u *Unit) *string { return &u.FDName }),
	"[Socket] Service":            text(func(u *Unit) *string { return &u.Starts }),
	"[Socket] SocketUser":         text(func(u *Unit) *string { return &u.Owner }),
	"[Socket] SocketGroup":        text(func(u *Unit) *string { return &u.Group }),
	"[Socket] SocketMode":         mode(func(u *Unit) *fileMode { return &u.Mode }),
	"[Socket] ReceiveBuffer":      size(func(u *Unit) *int { return &u.ReceiveBuffer }),
	"[Socket] PassPacketInfo":     yes(func(u *Unit) *bool { return &u.PacketInfo }),
	"[Socket] Symlinks":           list(func(u *Unit) *[]string { return &u.Symlinks }),
	// A socket at [::] takes IPv4, too, as it is made here.
	"[Socket] BindIPv6Only": func(_ *Unit, value string) error { return want(value, "both") },

	"[Timer] OnCalendar": func(u *Unit, value string) error {
		u.Daily = true
		return want(value, "daily")
	},
	"[Timer] RandomizedDelaySec": span(func(u *Unit) *duration { return &u.MaxDelay }),
	// A delay is chosen once, and kept.
	"[Timer] FixedRandomDelay": func(_ *Unit, value string) error { return want(value, "true") },
	// A turn that has passed while the relay was down is made up for.
	"[Timer] Persistent":    func(_ *Unit, value string) error { return want(value, "true") },
	"[Timer] OnClockChange": yes(func(u *Unit) *bool { return &u.OnClockChange }),

	"[Path] PathChanged":       list(func(u *Unit) *[]string { return &u.Changed }),
	"[Path] DirectoryNotEmpty": list(func(u *Unit) *[]string { return &u.NotEmpty }),
}

// Why a directive is not applied.
const (
	forReaders = "it is for people"
	byRun      = `"chatmaild run" starts units in its own order`
	byTheImage = "the container's runtime confines all of the relay; what a daemon sees of it, only a mount namespace could narrow"
	byItsLimit = "the container's runtime has limits, and Go that of GOMEMLIMIT"
	bySuper    = "a daemon that fails is started again after longer and longer delays, whatever connects"
	byStdout   = "standard output has no rate"
	bySystemd  = "a relay of several machines runs below systemd"
)

// meaningless are the directives that are not applied, each with its reason.
var meaningless = map[string]string{
	"[Unit] Description": forReaders, "[Unit] Documentation": forReaders,
	"[Unit] After": byRun, "[Install] WantedBy": byRun,
	"[Socket] TriggerLimitIntervalSec": bySuper, "[Socket] TriggerLimitBurst": bySuper,
	"[Service] LogRateLimitIntervalSec": byStdout, "[Service] LogRateLimitBurst": byStdout,
	"[Timer] OnActiveSec": bySystemd, "[Timer] OnUnitInactiveSec": bySystemd, "[Timer] AccuracySec": bySystemd,
	"[Service] SyslogLevel": bySystemd, "[Service] LogLevelMax": bySystemd,
	"[Service] TasksMax": byItsLimit, "[Service] MemoryMax": byItsLimit, "[Service] MemorySwapMax": byItsLimit,

	"[Service] BindPaths": byTheImage, "[Service] BindReadOnlyPaths": byTheImage, "[Service] InaccessiblePaths": byTheImage,
	"[Service] ReadOnlyPaths": byTheImage, "[Service] ReadWritePaths": byTheImage, "[Service] TemporaryFileSystem": byTheImage,
	"[Service] PrivateDevices": byTheImage, "[Service] PrivateNetwork": byTheImage, "[Service] PrivateTmp": byTheImage,
	"[Service] ProtectClock": byTheImage, "[Service] ProtectControlGroups": byTheImage, "[Service] ProtectHome": byTheImage,
	"[Service] ProtectHostname": byTheImage, "[Service] ProtectKernelLogs": byTheImage, "[Service] ProtectKernelModules": byTheImage,
	"[Service] ProtectKernelTunables": byTheImage, "[Service] ProtectProc": byTheImage, "[Service] ProtectSystem": byTheImage,
	"[Service] RemoveIPC": byTheImage, "[Service] RestrictAddressFamilies": byTheImage, "[Service] RestrictNamespaces": byTheImage,
	"[Service] RestrictRealtime": byTheImage, "[Service] RestrictSUIDSGID": byTheImage, "[Service] SystemCallArchitectures": byTheImage,
	"[Service] SystemCallFilter": byTheImage, "[Service] SystemCallErrorNumber": byTheImage, "[Service] LockPersonality": byTheImage,
	"[Service] MemoryDenyWriteExecute": byTheImage, "[Service] IPAddressAllow": byTheImage, "[Service] IPAddressDeny": byTheImage,
}

func want(value, only string) error {
	if value != only {
		return errors.New("want " + only)
	}
	return nil
}

// fields are the words of a value; an empty value takes back those before.
func fields(before []string, value string) []string {
	if value == "" {
		return nil
	}
	return append(before, strings.Fields(value)...)
}
