/** Whether a loader or an interpreter takes in code by this variable before the program begins. */
export function loadsCode(name: string): boolean {
  return /^(?:LD_(?:PRELOAD|AUDIT|LIBRARY_PATH)|DYLD_\w+|NODE_OPTIONS|NODE_PATH|BUN_OPTIONS|PYTHON(?:STARTUP|PATH|HOME)|PERL5(?:OPT|LIB|DB)|RUBY(?:OPT|LIB)|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|BASH_ENV|ENV|GIT_SSH_COMMAND|GIT_EXEC_PATH)$/.test(
    name,
  );
}
