/** Loaded into every test process: hundreds of them load the same sources, and to strip their types takes longer than to run. */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

enableCompileCache(join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'mcpd-tests'));
