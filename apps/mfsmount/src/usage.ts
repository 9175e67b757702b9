export const USAGE = `usage: mfsmount [HOST[:PORT]:[PATH]] [options] mountpoint
       mount -t moosefs [HOST[:PORT]:[PATH]] mountpoint -o options

general options:
    -o opt,[opt...]             mount options
    -h   --help                 print help
    -V   --version              print version
    -d   -o debug               verbose log (implies -f)
    -f                          foreground operation
    -s                          accepted, without effect

MFS options:
    -c CFGFILE                  equivalent to '-o mfscfgfile=CFGFILE'
    -m   --meta                 equivalent to '-o mfsmeta'
    -H HOST                     equivalent to '-o mfsmaster=HOST'
    -P PORT                     equivalent to '-o mfsport=PORT'
    -B IP                       equivalent to '-o mfsbind=IP'
    -L IP                       equivalent to '-o mfsproxy=IP'
    -S PATH                     equivalent to '-o mfssubfolder=PATH'
    -p   --password             similar to '-o mfspassword=PASSWORD', but ask for the password
    -n   --nostdopts            do not add the standard option '-o allow_other'
    -o nonempty                 allow to mount over a directory that is not empty
    -o mfscfgfile=CFGFILE       options from a file (default: /etc/mfs/mfsmount.cfg or /etc/mfsmount.cfg)
    -o mfslogfile=FILE          log of a mount in the background (default: /var/log/mfsmount.log)
    -o mfsmaster=HOST           master (default: mfsmaster)
    -o mfsport=PORT             port of the master (default: 9421)
    -o mfsbind=IP               source address of connections
    -o mfssubfolder=PATH        folder mounted as root (default: /)
    -o mfspassword=PASSWORD     authenticate with a password
    -o mfspassfile=FILENAME     authenticate with the password in the first line of a file
    -o mfsmd5pass=MD5           authenticate with the MD5 of a password
    -o mfsdelayedinit           mount at once, register in the background
    -o mfscachemode=CMODE       DIRECT, NO, YES or AUTO: who decides whether the kernel keeps file data (default: AUTO, the master)
    -o mfsattrcacheto=SEC       how long the kernel keeps attributes (default: 1.0)
    -o mfsxattrcacheto=SEC      how long extended attributes are kept (default: 30.0)
    -o mfsentrycacheto=SEC      how long the kernel keeps names of files (default: 0.0)
    -o mfsdirentrycacheto=SEC   how long the kernel keeps names of directories (default: 1.0)
    -o mfsnegentrycacheto=SEC   how long it is remembered that a name does not exist (default: 0.0)
    -o mfssymlinkcacheto=SEC    how long targets of symbolic links are kept (default: 300.0)
    -o mfsgroupscacheto=SEC     how long supplementary groups of a process are kept; 0: not used (default: 300.0)
    -o mfsfsyncmintime=SEC      files open for a shorter time are closed without waiting for their data (default: 0.0)
    -o mfswritecachesize=N      write cache in MiB (default: 256)
    -o mfsreadaheadsize=N       all read ahead buffers in MiB (default: 256)
    -o mfsioretries=N           so many tries before an I/O error (default: programs wait until the cluster is back)
    -o mfstimeout=N             so many seconds before an I/O error (default: 0, no limit)
    -o mfsmkdircopysgid=N       whether the sgid bit is copied by mkdir (default: 1)
    -o mfssugidclearmode=SMODE  NEVER, ALWAYS, OSX, BSD, EXT or XFS: suid and sgid bits on chown (default: EXT)
    -o mfsnoxattrs              no extended attributes
    -o mfsnoposixlocks          record locks (fcntl, lockf) are local to this mount
    -o mfsnobsdlocks            BSD locks (flock) are local to this mount
    -o mfsrlimitnofile=N        limit of open descriptors to try (default: 100000)
    -o mfsnice=N                nice value to try (default: -19)
    -o mfsmemlock               try to lock memory
    -o mfsallowoomkiller        do not protect the mount from the OOM killer
    -o mfssuid, mfsdev          honour suid bits and devices

options of mount(8): ro, rw, suid, nosuid, dev, nodev, exec, noexec, atime, noatime, relatime, sync, dirsync,
allow_other, default_permissions, fsname=NAME, subtype=NAME
`;
