// The official clients, in every era, meet servers of every era: over HTTP+SSE, which knows the legacy era alone.
import { describe } from 'node:test';
import { tellDoor } from './table.ts';

describe('every era meets every other over HTTP+SSE', () => tellDoor('HTTP+SSE'));
