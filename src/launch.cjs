#!/usr/bin/env node
/*
 * Where `mcpd` begins. Every Node since version 14 can read this file, so that it can say that it is too old.
 * PM2 loads it through a container of its own, so nothing here looks at process.argv[1] or require.main.
 */
'use strict';

// Node opens an inspector on SIGUSR1, to whoever may send one: a listening port, and all our memory. A handler of our own
// takes its place. Nothing runs before this line but Node itself.
process.on('SIGUSR1', () => {});

const fs = require('fs');
const path = require('path');
const url = require('url');

/** Types are stripped without a flag, and node:sqlite and node:crypto have what mcpd uses. */
const needed = 24;
/**
 * V8 compiles a function with all its skill once it was called 3000 times. A daemon that is called now and then would take hours
 * to come so far, and until then a call costs a third more. Newer ones than were tried might not know the flag, and say so.
 */
const compileSooner = '--invocation-count-for-turbofan=1000';
const newestTried = 26;
const root = path.join(__dirname, '..');

const major = parseInt(process.versions.node, 10);
if (major >= needed) {
  start();
} else {
  const runtime = path.join(root, 'node_modules', 'node', 'bin', 'node');
  if (isFile(runtime) && process.env.MCPD_LAUNCHED_BY === undefined) {
    startWith(runtime);
  } else {
    process.stderr.write(
      'mcpd needs Node ' +
        needed +
        ' or newer; this is ' +
        process.version +
        '. Install it from https://nodejs.org' +
        ' (in a clone of mcpd, `npm ci` is enough).\n',
    );
    // EX_CONFIG of sysexits.h: PM2 is told not to try again.
    process.exit(78);
  }
}

function start() {
  const source = path.join(__dirname, 'cli.ts');
  // Node does not strip types below node_modules, so an installed package runs what was compiled.
  const installed = __dirname.split(path.sep).indexOf('node_modules') >= 0;
  const entry = isFile(source) && !installed ? source : path.join(root, 'dist', 'cli.js');
  delete process.env.MCPD_LAUNCHED_BY;
  // Before any code is compiled: what V8 remembers of compiled code is good for one set of flags.
  if (major <= newestTried) require('v8').setFlagsFromString(compileSooner);
  // Remembers compiled code with its types stripped: the next start is quicker, and 30 MB smaller without the stripper.
  // Where the folder cannot be written, nothing is remembered and all goes on.
  require('module').enableCompileCache(path.join(root, 'node_modules', '.cache', 'mcpd'));
  import(url.pathToFileURL(entry).href).catch((reason) => {
    process.stderr.write('mcpd cannot start: ' + (reason?.stack ?? reason) + '\n');
    process.exit(70);
  });
}

/** Runs again with another Node: same arguments, same terminal, same signals, same end. */
function startWith(node) {
  const env = Object.assign({}, process.env, { MCPD_LAUNCHED_BY: process.version });
  // Under PM2 there is a channel on which the daemon says that it is ready.
  const channel = typeof process.send === 'function';
  const child = require('child_process').spawn(node, [__filename].concat(process.argv.slice(2)), {
    stdio: channel ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit',
    env: env,
  });
  const atTerminal = Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY);
  const forwarders = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'].map((signal) => {
    const forward = () => {
      // Ctrl-C at a terminal reaches both of us; a second one would look like impatience.
      if (signal !== 'SIGINT' || !atTerminal) child.kill(signal);
    };
    process.on(signal, forward);
    return [signal, forward];
  });
  if (channel) {
    child.on('message', (message) => {
      process.send(message);
    });
    process.on('message', (message) => {
      if (child.connected) child.send(message);
    });
    // PM2 is gone: the daemon learns it the way it would have without us in between.
    process.on('disconnect', () => {
      if (child.connected) child.disconnect();
    });
  }
  child.on('error', (reason) => {
    process.stderr.write('mcpd cannot run ' + node + ': ' + reason.message + '. Try `npm ci` again.\n');
    process.exit(78);
  });
  child.on('exit', function (code, signal) {
    forwarders.forEach((pair) => {
      process.removeListener(pair[0], pair[1]);
    });
    if (signal === null) process.exit(code);
    // End the way it ended, so that whoever watches sees the same signal.
    process.kill(process.pid, signal);
  });
}

function isFile(name) {
  try {
    return fs.statSync(name).isFile();
  } catch {
    return false;
  }
}
