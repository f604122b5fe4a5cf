// The official clients, in every era, meet servers of every era: over Streamable HTTP.
import { describe } from 'node:test';
import { tellDoor } from './table.ts';

describe('every era meets every other over Streamable HTTP', () => tellDoor('Streamable HTTP'));
