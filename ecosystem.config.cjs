/*
 * mcpd under PM2:  npx pm2 start ecosystem.config.cjs
 *
 * `pm2 save` writes this entry, and the environment below, to ~/.pm2/dump.pm2, which other users can read. So no secret
 * is ever put here: they are in the vault, the keychain or owner-only files, and policies name them (`mcpd secret set NAME`).
 */
'use strict';

const fs = require('fs');
const path = require('path');

/** The runtime that came with `npm ci`, which is there wherever the system's Node may be too old; else the Node that reads this. */
const bundled = path.join(__dirname, 'node_modules', '.bin', 'node');
const interpreter = fs.existsSync(bundled) ? bundled : process.execPath;

/** Of the shell that types `pm2 start`, only what mcpd reads. Unset ones are left out. */
const passed = [
  'PATH',
  'HOME',
  'LANG',
  'TZ',
  'XDG_STATE_HOME',
  // Where the key of the vault is; `mcpd secret set` in the shell looks there, too.
  'XDG_CONFIG_HOME',
  'XDG_RUNTIME_DIR',
  'DBUS_SESSION_BUS_ADDRESS',
  'MCPD_POLICIES',
  'MCPD_STATE_DIR',
];
const env = Object.fromEntries(
  passed.filter((name) => process.env[name] !== undefined).map((name) => [name, process.env[name]]),
);

module.exports = {
  apps: [
    {
      name: 'mcpd',
      script: path.join(__dirname, 'src', 'launch.cjs'),
      args: 'run',
      interpreter,
      // Relative paths in MCPD_POLICIES, and ./policies, mean the same wherever `pm2` is typed.
      cwd: __dirname,

      // Sessions, waiting questions and children live in one process's memory. Cluster mode would make two of everything,
      // and two approvals for one question.
      exec_mode: 'fork',
      instances: 1,

      // Online means: the socket is held, the port is open, the servers were started. mcpd says so with process.send('ready').
      wait_ready: true,
      listen_timeout: 30_000,

      // On stop and reload PM2 sends SIGINT; mcpd then answers what is under way (10 s, drain_within in mcpd.toml) and ends
      // its children. SIGKILL comes only when that took far too long.
      kill_timeout: 30_000,
      // With treekill PM2 would send SIGINT to every server at the same moment, and kill the very calls that are draining.
      treekill: false,

      autorestart: true,
      // 0.2 s, then half as much again each time, up to 15 s: a crash loop must not be a busy loop.
      exp_backoff_restart_delay: 200,
      max_restarts: 20,
      // 78: the configuration has to be mended first. Starting again would only say so again.
      stop_exit_codes: [78],
      // Policy files are watched by mcpd itself, which refuses broken ones; a restart would drop every session.
      watch: false,

      // PM2 copies the whole environment of the shell that started it into the app and into dump.pm2, passwords included.
      // `filter_env: true` does nothing in PM2 7: it takes a list of fragments and drops every variable whose name contains
      // one. The empty fragment is contained in every name.
      filter_env: [''],
      env,

      // PM2 would load its own monitoring into the process, heap dumps on request included; a heap holds every secret.
      pmx: false,
      // Nor does it need to run git here.
      vizion: false,

      // stdout says little: mcpd rotates its own log in the state directory. out_file and error_file stay where PM2 puts
      // them (~/.pm2/logs), with one name for all restarts.
      merge_logs: true,
    },
  ],
};
